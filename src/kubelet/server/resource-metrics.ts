/** `/metrics/resource`, under upstream's names. Pure. */
import { stabilityOf } from '../../api/kubernetes-metrics.ts';
import { expose, type Sample } from './exposition.ts';
import type { Summary } from './stats-summary.ts';

export function resourceMetrics(summary: Summary): string {
  const cpu: Sample[] = [];
  const memory: Sample[] = [];
  const start: Sample[] = [];
  const podCpu: Sample[] = [];
  const podMemory: Sample[] = [];
  for (const pod of summary.pods) {
    const podLabels = { namespace: pod.podRef.namespace, pod: pod.podRef.name };
    for (const container of pod.containers) {
      const labels = { container: container.name, ...podLabels };
      push(cpu, labels, seconds(container.cpu.usageCoreNanoSeconds), container.cpu.time);
      push(memory, labels, container.memory.workingSetBytes, container.memory.time);
      push(start, labels, Date.parse(container.startTime) / 1000);
    }
    push(podCpu, podLabels, seconds(pod.cpu.usageCoreNanoSeconds), pod.cpu.time);
    push(podMemory, podLabels, pod.memory.workingSetBytes, pod.memory.time);
  }
  const { node } = summary;
  const nodeCpu: Sample[] = [];
  const nodeMemory: Sample[] = [];
  push(nodeCpu, {}, seconds(node.cpu.usageCoreNanoSeconds), node.cpu.time);
  push(nodeMemory, {}, node.memory.workingSetBytes, node.memory.time);
  return expose(
    [
      {
        name: 'container_cpu_usage_seconds_total',
        help: 'Cumulative cpu time consumed by the container in core-seconds',
        type: 'counter',
        samples: cpu,
      },
      {
        name: 'container_memory_working_set_bytes',
        help: 'Current working set of the container in bytes',
        type: 'gauge',
        samples: memory,
      },
      {
        name: 'container_start_time_seconds',
        help: 'Start time of the container since unix epoch in seconds',
        type: 'gauge',
        samples: start,
      },
      {
        name: 'node_cpu_usage_seconds_total',
        help: 'Cumulative cpu time consumed by the node in core-seconds',
        type: 'counter',
        samples: nodeCpu,
      },
      {
        name: 'node_memory_working_set_bytes',
        help: 'Current working set of the node in bytes',
        type: 'gauge',
        samples: nodeMemory,
      },
      {
        name: 'pod_cpu_usage_seconds_total',
        help: 'Cumulative cpu time consumed by the pod in core-seconds',
        type: 'counter',
        samples: podCpu,
      },
      {
        name: 'pod_memory_working_set_bytes',
        help: 'Current working set of the pod in bytes',
        type: 'gauge',
        samples: podMemory,
      },
      {
        name: 'resource_scrape_error',
        help: '1 if there was an error while getting container metrics, 0 otherwise',
        type: 'gauge',
        samples: [{ labels: {}, value: 0 }],
      },
    ],
    stabilityOf,
  );
}

function push(
  samples: Sample[],
  labels: Record<string, string>,
  value: number | undefined,
  time?: string,
): void {
  if (value === undefined) return;
  samples.push({ labels, value, ...(time !== undefined && { timeMs: Date.parse(time) }) });
}

function seconds(nanoSeconds: number | undefined): number | undefined {
  return nanoSeconds === undefined ? undefined : nanoSeconds / 1e9;
}
