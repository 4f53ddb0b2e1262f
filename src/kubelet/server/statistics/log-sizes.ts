/** What the logs of containers take on disk, as `kubelet_container_log_filesystem_used_bytes`. */
import { stabilityOf } from '../../../api/component-base/kubernetes-metrics.ts';
import type { Kubelet } from '../../kubelet.ts';
import { measureLogs } from '../../pod/pod-disk-use.ts';
import { expose, type Sample } from './exposition.ts';

const name = 'kubelet_container_log_filesystem_used_bytes';
const help = "Bytes used by the container's logs on the filesystem.";

/** In Prometheus' text format, rotated files included. */
export async function logSizeMetrics({ pods, context }: Kubelet): Promise<string> {
  // A simulated node has no files.
  if (context.machine.rootDir === undefined) return '';
  const samples: Sample[] = [];
  for (const { uid, pod, observed } of pods.workers())
    for (const [container, { bytes }] of await measureLogs(observed)) {
      const { namespace = '', name } = pod.metadata;
      samples.push({ labels: { uid, namespace, pod: name, container }, value: bytes });
    }
  return samples.length === 0 ? '' : expose([{ name, help, type: 'gauge', samples }], stabilityOf);
}
