/** `/metrics/resource`, under upstream's names. Pure. */
import { stabilityOf } from '../../../api/component-base/kubernetes-metrics.ts';
import { expose, type Sample } from './exposition.ts';
import type { GroupSample, Summary } from './stats-summary.ts';

/** The families in the order in which upstream serves them. */
const families = {
  container_cpu_usage_seconds_total: {
    help: 'Cumulative cpu time consumed by the container in core-seconds',
    type: 'counter',
  },
  container_memory_working_set_bytes: {
    help: 'Current working set of the container in bytes',
    type: 'gauge',
  },
  container_start_time_seconds: {
    help: 'Start time of the container since unix epoch in seconds',
    type: 'gauge',
  },
  node_cpu_usage_seconds_total: {
    help: 'Cumulative cpu time consumed by the node in core-seconds',
    type: 'counter',
  },
  node_memory_working_set_bytes: { help: 'Current working set of the node in bytes', type: 'gauge' },
  node_swap_usage_bytes: { help: 'Swap that the node uses, in bytes', type: 'gauge' },
  pod_cpu_usage_seconds_total: {
    help: 'Cumulative cpu time consumed by the pod in core-seconds',
    type: 'counter',
  },
  pod_memory_working_set_bytes: { help: 'Current working set of the pod in bytes', type: 'gauge' },
  pod_swap_usage_bytes: { help: 'Swap that the pod uses, in bytes', type: 'gauge' },
  resource_scrape_error: {
    help: '1 if there was an error while getting container metrics, 0 otherwise',
    type: 'gauge',
  },
} as const;

type FamilyName = keyof typeof families;

export function resourceMetrics({ node, pods }: Summary): string {
  const samples = new Map<FamilyName, Sample[]>();
  const add = (family: FamilyName, labels: Sample['labels'], value: number | undefined, time?: string) => {
    if (value === undefined) return;
    const list = samples.get(family) ?? [];
    samples.set(family, list);
    list.push({ labels, value, ...(time !== undefined && { timeMs: Date.parse(time) }) });
  };
  const addUse = (
    of: 'container' | 'pod' | 'node',
    labels: Sample['labels'],
    { cpu, memory }: GroupSample,
  ) => {
    add(`${of}_cpu_usage_seconds_total`, labels, seconds(cpu.usageCoreNanoSeconds), cpu.time);
    add(`${of}_memory_working_set_bytes`, labels, memory.workingSetBytes, memory.time);
  };
  for (const pod of pods) {
    const podLabels = { namespace: pod.podRef.namespace, pod: pod.podRef.name };
    for (const container of pod.containers) {
      const labels = { container: container.name, ...podLabels };
      addUse('container', labels, container);
      add('container_start_time_seconds', labels, Date.parse(container.startTime) / 1000);
    }
    addUse('pod', podLabels, pod);
    add('pod_swap_usage_bytes', podLabels, pod.swap?.swapUsageBytes, pod.swap?.time);
  }
  addUse('node', {}, node);
  add('node_swap_usage_bytes', {}, node.swap?.swapUsageBytes, node.swap?.time);
  add('resource_scrape_error', {}, 0);
  return expose(
    (Object.keys(families) as FamilyName[]).map((name) => ({
      name,
      ...families[name],
      samples: samples.get(name) ?? [],
    })),
    stabilityOf,
  );
}

function seconds(nanoSeconds: number | undefined): number | undefined {
  return nanoSeconds === undefined ? undefined : nanoSeconds / 1e9;
}
