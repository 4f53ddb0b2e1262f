/** Readings of nodes as objects of metrics.k8s.io/v1beta1. Pure. */

import { formatTime } from '../../api/schema/time.ts';
import { cpuRate, type NodeHistory, type Reading } from './node-scraper.ts';

export interface MetricsObject {
  metadata: { name: string; namespace?: string; creationTimestamp: string; labels?: Record<string, string> };
  timestamp: string;
  window: string;
}

export interface NodeMetrics extends MetricsObject {
  usage: { cpu: string; memory: string };
}

export interface PodMetrics extends MetricsObject {
  containers: { name: string; usage: { cpu: string; memory: string } }[];
}

type LabelsOf = (name: string, namespace?: string) => Record<string, string> | undefined;

export function nodeMetrics(nodes: ReadonlyMap<string, NodeHistory>, labelsOf: LabelsOf): NodeMetrics[] {
  const objects: NodeMetrics[] = [];
  for (const [name, { before, now }] of nodes) {
    const rate = cpuRate(before?.node, now.node);
    if (!rate) continue;
    objects.push({
      ...head({ name }, now.node.atMs, rate.windowMs, labelsOf),
      usage: usage(rate.nanocores, now.node),
    });
  }
  return objects.sort(byName);
}

/** Of pods in the namespace, or of all. A pod counts when all its containers have a rate. */
export function podMetrics(
  nodes: ReadonlyMap<string, NodeHistory>,
  namespace: string,
  labelsOf: LabelsOf,
): PodMetrics[] {
  const objects: PodMetrics[] = [];
  for (const { before, now } of nodes.values())
    for (const [key, pod] of now.pods) {
      if (namespace && pod.namespace !== namespace) continue;
      const earlier = before?.pods.get(key)?.containers;
      const containers: PodMetrics['containers'] = [];
      let [atMs, windowMs] = [0, 0];
      for (const [name, reading] of pod.containers) {
        const rate = cpuRate(earlier?.get(name), reading);
        if (!rate) continue;
        containers.push({ name, usage: usage(rate.nanocores, reading) });
        atMs = Math.max(atMs, reading.atMs);
        windowMs = Math.max(windowMs, rate.windowMs);
      }
      if (containers.length === pod.containers.size)
        objects.push({ ...head(pod, atMs, windowMs, labelsOf), containers });
    }
  return objects.sort(byName);
}

function head(
  { name, namespace }: { name: string; namespace?: string },
  atMs: number,
  windowMs: number,
  labelsOf: LabelsOf,
): MetricsObject {
  const timestamp = formatTime(atMs);
  const labels = labelsOf(name, namespace);
  return {
    metadata: {
      name,
      ...(namespace && { namespace }),
      creationTimestamp: timestamp,
      ...(labels && { labels }),
    },
    timestamp,
    window: `${Number((windowMs / 1000).toFixed(3))}s`,
  };
}

function usage(nanocores: number, { memoryBytes }: Reading) {
  return { cpu: `${nanocores}n`, memory: `${Math.floor(memoryBytes / 1024)}Ki` };
}

function byName(left: MetricsObject, right: MetricsObject): number {
  const keyOf = ({ metadata }: MetricsObject) => `${metadata.namespace ?? ''}/${metadata.name}`;
  return keyOf(left) < keyOf(right) ? -1 : 1;
}
