/** Which version a process is, as every component of Kubernetes tells it. */
import type { MetricsRegistry } from '../../base/metrics.ts';
import { versionInfo } from '../version.ts';

const labelOf: Readonly<Record<string, string>> = {
  major: 'major',
  minor: 'minor',
  gitVersion: 'git_version',
  gitCommit: 'git_commit',
  gitTreeState: 'git_tree_state',
  buildDate: 'build_date',
  goVersion: 'go_version',
  compiler: 'compiler',
  platform: 'platform',
};

export function collectBuildInfo(metrics: MetricsRegistry): void {
  const info = versionInfo();
  const labels = Object.fromEntries(Object.entries(labelOf).map(([from, to]) => [to, String(info[from])]));
  metrics.collected(
    'kubernetes_build_info',
    'A metric with a constant value of 1, labeled by versions.',
    () => [{ labels, value: 1 }],
  );
}
