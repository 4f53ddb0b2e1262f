/** `/metrics/resource` and `/metrics/cadvisor`: Prometheus' text format, under upstream's names. Pure. */
import type { Summary } from './stats-summary.ts';

interface Sample {
  labels: Record<string, string>;
  value: number;
  timeMs?: number;
}

interface Family {
  name: string;
  help: string;
  type: 'counter' | 'gauge';
  samples: Sample[];
}

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
  return expose([
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
  ]);
}

export function cadvisorMetrics(summary: Summary): string {
  const families: Family[] = [
    {
      name: 'container_cpu_usage_seconds_total',
      help: 'Cumulative cpu time consumed in seconds.',
      type: 'counter',
      samples: [],
    },
    {
      name: 'container_memory_usage_bytes',
      help: 'Current memory usage in bytes, including all memory regardless of when it was accessed',
      type: 'gauge',
      samples: [],
    },
    {
      name: 'container_memory_working_set_bytes',
      help: 'Current working set in bytes.',
      type: 'gauge',
      samples: [],
    },
    { name: 'container_memory_rss', help: 'Size of RSS in bytes.', type: 'gauge', samples: [] },
  ];
  const add = (
    labels: Record<string, string>,
    cpu: Summary['node']['cpu'],
    memory: Summary['node']['memory'],
  ) => {
    const values = [
      seconds(cpu.usageCoreNanoSeconds),
      memory.usageBytes,
      memory.workingSetBytes,
      memory.rssBytes,
    ];
    for (const [index, value] of values.entries())
      push(families[index]!.samples, index === 0 ? { ...labels, cpu: 'total' } : labels, value, memory.time);
  };
  const labelsOf = (container: string, pod: string, namespace: string, id: string) => ({
    container,
    id,
    image: '',
    name: '',
    namespace,
    pod,
  });
  add(labelsOf('', '', '', '/'), summary.node.cpu, summary.node.memory);
  for (const pod of summary.pods) {
    const { name, namespace, uid } = pod.podRef;
    add(labelsOf('', name, namespace, `/kubepods/pod${uid}`), pod.cpu, pod.memory);
    for (const container of pod.containers)
      add(
        labelsOf(container.name, name, namespace, `/kubepods/pod${uid}/${container.name}`),
        container.cpu,
        container.memory,
      );
  }
  return expose(families);
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

function expose(families: readonly Family[]): string {
  const lines: string[] = [];
  for (const { name, help, type, samples } of families) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const { labels, value, timeMs } of samples) {
      const pairs = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
      const suffix = timeMs === undefined ? '' : ` ${timeMs}`;
      lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}${suffix}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
