/** What is counted of PodSecurity under upstream's names. */
import { versionInfo } from '../../api/component-base/version-info.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { minorOf } from '../admission/pods/pod-security/namespace-policy.ts';
import type { PodSecurityObserver } from '../admission/pods/pod-security/pod-security.ts';

export function podSecurityMetrics(metrics: MetricsRegistry): PodSecurityObserver {
  const evaluations = metrics.counter(
    'pod_security_evaluations_total',
    'Number of policy evaluations that occurred, not counting ignored or exempt requests.',
  );
  const newest = Number(versionInfo().minor);
  // Any number of versions may be named that do not exist yet.
  const versionLabel = (level: string, version: string) => {
    if (level === 'privileged' || version === 'latest') return 'latest';
    return minorOf(version)! > newest ? 'future' : version;
  };
  return {
    evaluated({ isAllowed, level, version, mode, operation, resource, subresource }) {
      evaluations.add(1, {
        decision: isAllowed ? 'allow' : 'deny',
        policy_level: level,
        policy_version: versionLabel(level, version),
        mode,
        request_operation: operation,
        resource,
        subresource,
      });
    },
  };
}
