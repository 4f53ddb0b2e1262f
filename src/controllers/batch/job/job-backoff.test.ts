import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { pod } from '../../objects.fixture.ts';
import { backoffLeftMs, finishedAtMs, nextBackoff, recalledBackoff } from './job-backoff.ts';
import { trackingFinalizer } from './job-pod.ts';

const at = (seconds: number) => `2026-01-01T00:00:${String(seconds).padStart(2, '0')}Z`;
const startMs = Date.parse(at(0));
const ended = (phase: string, seconds: number, finalizers: string[] = []) =>
  pod(`${phase}-${seconds}`, {
    phase,
    exitCode: phase === 'Failed' ? 1 : 0,
    finishedAt: at(seconds),
    finalizers,
  });
const none = { failures: 0, lastFailureMs: 0 };
const since = (failures: number, seconds: number) => ({ failures, lastFailureMs: startMs + seconds * 1000 });

test('failures add up, and a success forgets those before it', () => {
  const one = nextBackoff(none, [], [ended('Failed', 5)]);
  assert.deepEqual(one, since(1, 5));
  assert.deepEqual(nextBackoff(one, [], [ended('Failed', 9), ended('Failed', 7)]), since(3, 9));
  assert.deepEqual(nextBackoff(one, [], []), one);
  assert.deepEqual(nextBackoff(one, [ended('Succeeded', 8)], []), none);
  assert.deepEqual(
    nextBackoff(one, [ended('Succeeded', 8)], [ended('Failed', 7), ended('Failed', 9)]),
    since(1, 9),
  );
});

test('the wait doubles with every failure, up to ten minutes', () => {
  const left = (failures: number) => backoffLeftMs(since(failures, 10), startMs + 12_000);
  assert.deepEqual([0, 1, 2, 3, 9].map(left), [0, 8_000, 18_000, 38_000, 598_000]);
  assert.equal(backoffLeftMs(since(1, 10), startMs + 60_000), 0);
});

test('after a restart, the pods that are left and counted tell how many failed', () => {
  const leaving = pod('own', { phase: 'Failed', exitCode: 1, finishedAt: at(9), deleted: true });
  const pods = [ended('Succeeded', 1), ended('Failed', 3), ended('Failed', 5), leaving];
  assert.deepEqual(recalledBackoff(pods), since(2, 5));
  assert.deepEqual(recalledBackoff([ended('Failed', 3, [trackingFinalizer])]), none);
});

const terminated = (seconds: number) => ({ name: 'c', state: { terminated: { finishedAt: at(seconds) } } });
const running = { name: 'd', state: { running: {} } };
const notReady = { type: 'Ready', status: 'False', lastTransitionTime: at(20) };
const deletion = { deletionTimestamp: at(40), deletionGracePeriodSeconds: 30 };
/** what is known of the pod; when it finished */
const rows: [string, object, object, number][] = [
  ['its last container ended', {}, { containerStatuses: [terminated(4), terminated(6)] }, 6],
  ['one that runs has not ended', deletion, { containerStatuses: [terminated(4), running] }, 10],
  ['it is not ready since', deletion, { conditions: [notReady], containerStatuses: [running] }, 20],
  ['its deletion was asked for, not due', deletion, { conditions: [{ ...notReady, status: 'True' }] }, 10],
  ['it was made', {}, {}, 2],
];
for (const [title, metadata, status, seconds] of rows)
  test(`a pod finished when ${title}`, () => {
    const one = sparse<Pod>({
      metadata: { name: 'p', creationTimestamp: at(2), ...metadata },
      spec: {},
      status,
    });
    assert.equal(finishedAtMs(one), startMs + seconds * 1000);
  });
