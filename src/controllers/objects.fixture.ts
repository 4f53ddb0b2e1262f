/** Small objects for the controllers' unit tests: only what a rule looks at. */

import type { DaemonSet, Deployment, Job, Node, Pod, ReplicaSet, StatefulSet } from '../api/resources.gen.ts';
import { sparse } from '../base/sparse.fixture.ts';

const epoch = '2026-01-01T00:00:00Z';
export const nowMs = Date.parse('2026-01-01T01:00:00Z');

function metadataOf(name: string) {
  return {
    name,
    namespace: 'default',
    uid: `uid-${name}`,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: epoch,
  };
}

export interface PodShape {
  node?: string;
  phase?: string;
  ready?: boolean;
  readySince?: string;
  created?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  deleted?: boolean;
  finalizers?: string[];
  restarts?: number;
  exitCode?: number;
  finishedAt?: string;
}

export function pod(name: string, shape: PodShape = {}): Pod {
  const { node, phase = 'Running', ready = phase === 'Running', readySince = epoch, created = epoch } = shape;
  const { labels, annotations, deleted, finalizers, restarts = 0, exitCode, finishedAt = epoch } = shape;
  const terminated = exitCode === undefined ? undefined : { exitCode, finishedAt };
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: created,
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
      ...(deleted && { deletionTimestamp: epoch }),
    },
    spec: { containers: [{ name: 'c', image: 'x' }], ...(node && { nodeName: node }) },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: readySince }],
      containerStatuses: [
        {
          name: 'c',
          image: 'x',
          imageID: '',
          ready,
          restartCount: restarts,
          ...(terminated && { state: { terminated } }),
        },
      ],
    },
  } as Pod;
}

export function replicaSet(
  name: string,
  replicas: number,
  available: number,
  more: Record<string, unknown> = {},
): ReplicaSet {
  return {
    metadata: { ...metadataOf(name), ...more },
    spec: { replicas, selector: {}, template: {} },
    status: { replicas, availableReplicas: available, readyReplicas: available, observedGeneration: 1 },
  } as ReplicaSet;
}

export function deployment(
  replicas: number,
  spec: Record<string, unknown> = {},
  status: Record<string, unknown> = {},
): Deployment {
  return sparse<Deployment>({
    metadata: metadataOf('web'),
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } } },
      ...spec,
    },
    status,
  });
}

export function rolling(maxSurge: number | string, maxUnavailable: number | string): Record<string, unknown> {
  return { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } };
}

export function statefulSet(replicas: number, spec: Record<string, unknown> = {}): StatefulSet {
  return sparse<StatefulSet>({
    metadata: metadataOf('db'),
    spec: {
      replicas,
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: { spec: { containers: [] } },
      ...spec,
    },
    status: { replicas: 0 },
  });
}

export function daemonSet(
  spec: Record<string, unknown> = {},
  podSpec: Record<string, unknown> = {},
): DaemonSet {
  return sparse<DaemonSet>({
    metadata: metadataOf('ag'),
    spec: {
      selector: { matchLabels: { app: 'ag' } },
      template: { spec: { containers: [], ...podSpec } },
      ...spec,
    },
  });
}

export function node(
  name: string,
  shape: { labels?: Record<string, string>; taints?: unknown[]; ready?: string } = {},
): Node {
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: epoch,
      ...(shape.labels && { labels: shape.labels }),
    },
    spec: { ...(shape.taints && { taints: shape.taints }) },
    status: { conditions: [{ type: 'Ready', status: shape.ready ?? 'True' }] },
  } as Node;
}

export function job(spec: Record<string, unknown> = {}, status: Record<string, unknown> = {}): Job {
  return sparse<Job>({
    metadata: metadataOf('j'),
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      template: { spec: { restartPolicy: 'Never', containers: [] } },
      ...spec,
    },
    status: { startTime: epoch, ...status },
  });
}
