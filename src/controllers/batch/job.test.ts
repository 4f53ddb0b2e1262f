import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import { Job, type Pod } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { job, pod } from '../objects.fixture.ts';
import { failuresOf, trackingFinalizer } from './job/job-pod.ts';
import { jobController } from './job.ts';

const labels = { app: 'j', 'batch.kubernetes.io/job-name': 'j' };
const ended = (name: string) => pod(name, { phase: 'Succeeded', labels, finalizers: [trackingFinalizer] });

/** One reconcile of a job with three completions, where a webhook refuses any write to pods named `guarded…`. */
async function lookAt(owned: readonly Pod[], orphans: readonly Pod[]) {
  const released: string[] = [];
  let status: Job['status'] = {};
  const present = job({ completions: 3, parallelism: 3, selector: { matchLabels: { app: 'j' } } });
  const cluster = sparse<ReconcileCluster>({
    clock: new VirtualClock(),
    get: (type: unknown) => (type === Job ? present : undefined),
    client: { get: async () => present },
    ownedBy: () => owned,
    orphansIn: () => orphans,
    stays: async () => false,
    patch: async (_type: unknown, { metadata }: KubeObject) => {
      if (metadata.name.startsWith('guarded')) throw new StatusError(403, 'Forbidden', 'denied the request');
      released.push(metadata.name);
    },
    updateStatus: async (_type: unknown, object: KubeObject, next: Job['status']) => {
      status = next;
      return { ...object, status: next };
    },
    event: () => undefined,
  });
  const { signal } = new AbortController();
  const look = async () => await jobController().reconcile('default/j', cluster, signal);
  await assert.rejects(look, /denied the request/);
  return { released, status };
}

test('a pod that cannot be let go keeps none of the others from being counted', async () => {
  const { released, status } = await lookAt(['guarded', 'b', 'c'].map(ended), []);
  assert.deepEqual(released, ['b', 'c']);
  assert.equal(status?.succeeded, 2);
  assert.deepEqual(status?.uncountedTerminatedPods?.succeeded, ['uid-guarded']);
  assert.deepEqual(
    status?.conditions?.filter(({ type }) => type === 'Complete'),
    [],
  );
});

test('a pod that was left behind and cannot be let go is no reason to leave a job alone', async () => {
  const left = ['guarded', 'x'].map(ended);
  const { released, status } = await lookAt(['b', 'c', 'd'].map(ended), left);
  assert.deepEqual(released, ['x', 'b', 'c', 'd']);
  assert.equal(status?.succeeded, 3);
});

test('an index count that is not a number counts for nothing', () => {
  const annotated = (text: string) =>
    pod('p', { annotations: { 'batch.kubernetes.io/job-index-failure-count': text } });
  assert.deepEqual(
    ['2', 'many', '-1', '1.5'].map((text) => failuresOf(annotated(text)).counted),
    [2, 0, 0, 0],
  );
});
