import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planPodGc } from './pod-gc.ts';

const created = (minute: number) => `2026-01-01T00:${String(minute).padStart(2, '0')}:00Z`;

function pod(
  name: string,
  { node, ...more }: { node?: string; going?: boolean; status?: object; minute?: number },
) {
  const { going, status = { phase: 'Running' }, minute = 0 } = more;
  return sparse<Pod>({
    metadata: { name, creationTimestamp: created(minute), ...(going && { deletionTimestamp: created(0) }) },
    spec: { containers: [], ...(node && { nodeName: node }) },
    status,
  });
}

function node(status: 'True' | 'Unknown', taints: object[] = []): Node {
  return {
    metadata: {},
    spec: { taints },
    status: { conditions: [{ type: 'Ready', status }] },
  } as Node;
}

const outOfService = { key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' };
const nodes: Record<string, Node> = {
  well: node('True'),
  back: node('True', [outOfService]),
  silent: node('Unknown'),
  off: node('Unknown', [outOfService]),
};
const removed = (pods: Pod[], endedMax?: number) =>
  planPodGc(pods, (name) => nodes[name], new Set(['lost']), endedMax).remove.map(({ pod, message }) => [
    pod.metadata.name,
    message,
  ]);

test('pods that no kubelet will end are removed', () => {
  const pods = [
    pod('of a lost node', { node: 'lost' }),
    pod('of a node that may come back', { node: 'gone just now' }),
    pod('never placed', {}),
    pod('never placed and going', { going: true }),
    pod('going on a silent node', { node: 'silent', going: true }),
    pod('staying on a node that is off', { node: 'off' }),
    pod('going on a node that is off', { node: 'off', going: true }),
    pod('going on a node that is back', { node: 'back', going: true }),
  ];
  assert.deepEqual(removed(pods), [
    ['of a lost node', 'PodGC: node no longer exists'],
    ['never placed and going', undefined],
    ['going on a node that is off', undefined],
  ]);
});

test('beyond the limit of ended pods, evicted ones are removed first, then the oldest', () => {
  const pods = [
    pod('newest', { node: 'well', status: { phase: 'Succeeded' }, minute: 3 }),
    pod('old', { node: 'well', status: { phase: 'Failed' }, minute: 1 }),
    pod('evicted', { node: 'well', status: { phase: 'Failed', reason: 'Evicted' }, minute: 2 }),
    pod('running', { node: 'well' }),
  ];
  assert.deepEqual(removed(pods, 3), []);
  assert.deepEqual(removed(pods, 1), [
    ['evicted', undefined],
    ['old', undefined],
  ]);
});
