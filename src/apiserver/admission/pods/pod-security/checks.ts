/** The Pod Security Standards as pure checks: what a pod does that a level forbids. */
import type { Pod } from '../../../../api/resources.gen.ts';
import {
  appArmorProfile,
  capabilitiesBaseline,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbesAndLifecycle,
  privileged,
  procMount,
  seccompBaseline,
  seLinuxOptions,
  sysctls,
  windowsHostProcess,
} from './baseline.ts';
import { type Check, type Container, type Level, latestMinor, type Violation } from './check.ts';
import {
  allowPrivilegeEscalation,
  capabilitiesRestricted,
  procMountRestricted,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  seccompRestricted,
} from './restricted.ts';

/** In the order in which upstream reports them: the baseline first. */
const checks: readonly Check[] = [
  appArmorProfile,
  capabilitiesBaseline,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbesAndLifecycle,
  privileged,
  procMount,
  seLinuxOptions,
  seccompBaseline,
  sysctls,
  windowsHostProcess,
  allowPrivilegeEscalation,
  capabilitiesRestricted,
  procMountRestricted,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  seccompRestricted,
];

/**
 * What the pod does that `level` forbids, in upstream's order; `minor`: by the standard of Kubernetes
 * 1.x.
 */
export function violationsOf(pod: Pod, level: Level, minor = latestMinor): Violation[] {
  if (level === 'privileged' || !pod.spec) return [];
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec;
  const all = [...initContainers, ...containers, ...(ephemeralContainers as Container[])];
  const wanted = checks
    .filter((check) => level === 'restricted' || check.level === 'baseline')
    .filter(({ since = 0 }) => minor >= since);
  const replaced = new Set(wanted.map(({ replaces }) => replaces));
  return wanted.filter((check) => !replaced.has(check)).flatMap((check) => check.run(pod, all, minor) ?? []);
}
