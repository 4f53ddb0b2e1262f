/** Objects and snapshots for the scheduler's tests and benchmark. */

import type { Node, Pod } from '../api/resources.gen.ts';
import { sparse } from '../base/sparse.fixture.ts';

let uids = 0;

/** Parts of an object as a manifest would state them. */
export interface PodParts {
  namespace?: string;
  labels?: Record<string, string>;
  requests?: Record<string, string>;
  spec?: object;
  status?: object;
  deletionTimestamp?: string;
}

export function makePod(name: string, parts: PodParts = {}): Pod {
  const { namespace = 'default', labels = {}, requests, spec = {}, status = {}, deletionTimestamp } = parts;
  return {
    metadata: {
      name,
      namespace,
      labels,
      uid: `${name}-${uids++}`,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...(deletionTimestamp && { deletionTimestamp }),
    },
    spec: {
      schedulerName: 'default-scheduler',
      containers: [{ name: 'c', image: 'busybox', ...(requests && { resources: { requests } }) }],
      ...spec,
    },
    status,
  } as Pod;
}

export interface NodeParts {
  labels?: Record<string, string>;
  allocatable?: Record<string, string>;
  spec?: object;
  status?: object;
}

export function makeNode(name: string, parts: NodeParts = {}): Node {
  const allocatable = { cpu: '4', memory: '16Gi', pods: '110', ...parts.allocatable };
  return sparse<Node>({
    metadata: {
      name,
      uid: name,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { 'kubernetes.io/hostname': name, ...parts.labels },
    },
    spec: parts.spec ?? {},
    status: { allocatable, capacity: allocatable, ...parts.status },
  });
}
