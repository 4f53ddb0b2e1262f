import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nowMs, type PodShape, pod } from '../../objects.fixture.ts';
import { inDeletionOrder } from './replica-order.ts';

const running = (shape: PodShape = {}) => ({ node: 'n1', ...shape });

/** The reason; which pod goes before which. */
const rows: [string, PodShape, PodShape][] = [
  ['unassigned before assigned', { phase: 'Pending' }, running({ phase: 'Pending' })],
  ['pending before running', running({ phase: 'Pending' }), running({ ready: false })],
  ['not ready before ready', running({ ready: false }), running()],
  [
    'cheaper before dearer',
    running({ annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' } }),
    running(),
  ],
  ['ready for a shorter time before longer', running({ readySince: '2026-01-01T00:59:00Z' }), running()],
  ['more restarts before fewer', running({ restarts: 3 }), running()],
  [
    'younger before older',
    running({ ready: false, created: '2026-01-01T00:59:00Z' }),
    running({ ready: false }),
  ],
];
for (const [why, first, second] of rows) {
  test(`pods go in order: ${why}`, () => {
    const pods = [pod('b', second), pod('a', first)];
    assert.deepEqual(
      inDeletionOrder(pods, pods, nowMs).map((one) => one.metadata.name),
      ['a', 'b'],
    );
  });
}

for (const cost of ['+5', '1e3', '007', '3000000000', 'much'])
  test(`a pod with a deletion cost of ${cost}, which is none, goes before one of 1`, () => {
    const costing = (value: string) =>
      running({ annotations: { 'controller.kubernetes.io/pod-deletion-cost': value } });
    const pods = [pod('dear', costing('1')), pod('odd', costing(cost))];
    assert.equal(inDeletionOrder(pods, pods, nowMs)[0]!.metadata.name, 'odd');
  });

test('of otherwise equal pods, the one whose sidecar has restarted more often is deleted first', () => {
  const withSidecar = (name: string, restartCount: number) => {
    const one = pod(name, running());
    one.spec!.initContainers = [{ name: 's', restartPolicy: 'Always' }, { name: 'i' }];
    one.status!.initContainerStatuses = [
      { name: 's', restartCount },
      { name: 'i', restartCount: 9 - restartCount },
    ] as never;
    return one;
  };
  const pods = [withSidecar('steady', 1), withSidecar('shaky', 2)];
  assert.equal(inDeletionOrder(pods, pods, nowMs)[0]!.metadata.name, 'shaky');
});

test('pods that share their node with others of the same Deployment go first', () => {
  const pods = [pod('alone', { node: 'n2' }), pod('doubled', { node: 'n1' })];
  const related = [...pods, pod('sibling', { node: 'n1' })];
  assert.equal(inDeletionOrder(pods, related, nowMs)[0]!.metadata.name, 'doubled');
});

test('of the pods of a ReplicaSet that belongs to nothing, the younger goes, and no pod for sharing its node', () => {
  const old = { created: '2026-01-01T00:00:00Z', readySince: '2026-01-01T00:00:00Z' };
  const young = { created: '2026-01-01T00:59:00Z', readySince: '2026-01-01T00:59:00Z' };
  const pods = [
    pod('doubled', { node: 'n1', ...old }),
    pod('other', { node: 'n1', ...old }),
    pod('alone', { node: 'n2', ...young }),
  ];
  assert.equal(inDeletionOrder(pods, pods, nowMs)[0]!.metadata.name, 'doubled');
  assert.equal(inDeletionOrder(pods, [], nowMs)[0]!.metadata.name, 'alone');
});
