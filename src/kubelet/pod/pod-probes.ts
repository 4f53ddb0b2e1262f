/** Has the probes of a pod follow its running containers. */
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type { KubeletContext } from '../context.ts';
import { findContainer, type ObservedPod } from './pod-observation.ts';

export function watchProbes({ probes, node }: KubeletContext, pod: Pod, observed: ObservedPod): void {
  const hostIp = pod.spec.hostNetwork ? node().hostIps[0] : undefined;
  const podIp = hostIp ?? observed.sandboxes[0]?.ips[0] ?? '';
  const probed = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
  const running = probed.flatMap((container) => {
    const found = findContainer(observed, container.name);
    return found?.state === 'running' ? [{ container, id: found.id, startedAtMs: found.startedAtMs }] : [];
  });
  probes.sync(pod, podIp, running);
}

/** Containers that ran before this process did keep their readiness until a probe changes it. */
export function adoptProbes(context: KubeletContext, pod: Pod, observed: ObservedPod): void {
  watchProbes(context, pod, observed);
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  for (const { id, name } of observed.containers) {
    const known = [...initContainerStatuses, ...containerStatuses].find(({ containerID }) =>
      containerID?.endsWith(`//${id}`),
    );
    if (known?.name === name)
      context.probes.adopt(id, { started: known.started ?? false, ready: known.ready });
  }
}
