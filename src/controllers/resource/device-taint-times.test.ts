import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceTaintRule, Pod } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { evictedCondition } from './device-taint-eviction.ts';
import { timeLeft } from './device-taint-rule-status.ts';

const nowMs = Date.parse('2026-01-01T00:00:20Z');

const rule = (observedGeneration?: number) =>
  sparse<DeviceTaintRule>({
    metadata: { name: 'r', generation: 2 },
    status: {
      ...(observedGeneration !== undefined && {
        conditions: [
          {
            type: 'EvictionInProgress',
            status: 'True',
            observedGeneration,
            lastTransitionTime: '2026-01-01T00:00:15Z',
          },
        ],
      }),
    },
  });

for (const [what, given, lookAtMs, expected] of [
  ['that is new is described at once', rule(), undefined, 0],
  ['that has changed is described at once', rule(1), nowMs + 9_000, 0],
  ['that was just described waits', rule(2), undefined, 5_000],
  ['that has news later waits for it', rule(2), nowMs + 8_000, 8_000],
  ['that had news waits all the same', rule(2), nowMs - 8_000, 5_000],
] as const)
  test(`a rule ${what}`, () => {
    assert.equal(timeLeft(given, lookAtMs, nowMs), expected);
  });

const pod = (...conditions: object[]) => sparse<Pod>({ metadata: { name: 'p' }, status: { conditions } });
const announced = (status: string, reason: string) => ({
  type: 'DisruptionTarget',
  status,
  reason,
  lastTransitionTime: '2026-01-01T00:00:01Z',
});

test('a pod that is to go says why, since when it is to go, and once', () => {
  const fresh = evictedCondition(pod(), nowMs);
  assert.deepEqual(
    [fresh?.reason, fresh?.message, fresh?.lastTransitionTime],
    [
      'DeletionByDeviceTaintManager',
      'Device Taint manager: deleting due to NoExecute taint',
      '2026-01-01T00:00:20Z',
    ],
  );
  assert.equal(evictedCondition(pod(announced('True', 'DeletionByDeviceTaintManager')), nowMs), undefined);
  const other = evictedCondition(pod(announced('True', 'PreemptionByScheduler')), nowMs);
  assert.deepEqual(
    [other?.reason, other?.lastTransitionTime],
    ['DeletionByDeviceTaintManager', '2026-01-01T00:00:01Z'],
  );
  const again = evictedCondition(pod(announced('False', 'DeletionByDeviceTaintManager')), nowMs);
  assert.equal(again?.lastTransitionTime, '2026-01-01T00:00:20Z');
});
