import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceClaim } from '../../api/resources.gen.ts';
import { hasConditions, isLost, readinessOf } from './binding-conditions.ts';

const at = { driver: 'd', pool: 'p' };
const results = ['x', 'y'].map((device) => ({
  ...at,
  device,
  request: 'r',
  bindingConditions: ['Attached', 'Ready'],
  bindingFailureConditions: ['Failed'],
}));
const plain = { ...at, device: 'z', request: 'r' };

/** `reported`: true conditions by device; with `!` before it, one that is false. */
function claim(reported: Record<string, string[]>, given: object[] = [...results, plain]): ResourceClaim {
  const devices = Object.entries(reported).map(([device, types]) => ({
    ...at,
    device,
    conditions: types.map((type) => ({
      type: type.replace('!', ''),
      status: type.startsWith('!') ? 'False' : 'True',
      reason: 'Why',
      message: 'it says "why"',
    })),
  }));
  const allocation = { allocationTimestamp: '2026-01-01T00:00:00Z', devices: { results: given } };
  return { metadata: { name: 'c' }, status: { allocation, devices } } as unknown as ResourceClaim;
}

const both = ['Attached', 'Ready'];
const failure = 'device binding failed: claim=c, reason=Why, message="it says \\"why\\""';
const cases: [string, ResourceClaim, ReturnType<typeof readinessOf>][] = [
  ['no device is reported', claim({}), 'waiting'],
  ['one device is ready', claim({ x: both }), 'waiting'],
  ['a condition is false', claim({ x: both, y: ['Attached', '!Ready'] }), 'waiting'],
  ['all are ready', claim({ x: both, y: both }), 'ready'],
  ['no device has conditions', claim({}, [plain]), 'ready'],
  ['a failure that has not happened', claim({ x: [...both, '!Failed'], y: both }), 'ready'],
  ['a failure', claim({ x: both, y: [...both, 'Failed'] }), { failure }],
  ['a failure behind a device that waits', claim({ x: [], y: ['Failed'] }), { failure }],
  ['another device of the same driver has failed', claim({ z: ['Failed'], x: both, y: both }), 'ready'],
];
for (const [name, given, expected] of cases)
  test(`devices that must be prepared: ${name}`, () => assert.deepEqual(readinessOf(given), expected));

test('a claim is lost when a device has failed, or was not ready in time', () => {
  const startMs = Date.parse('2026-01-01T00:00:00Z');
  const lostAfter = (ms: number, given: ResourceClaim) =>
    isLost(given, { nowMs: startMs + ms, timeoutMs: 1_000 });
  assert.equal(lostAfter(1_000, claim({})), false);
  assert.equal(lostAfter(1_001, claim({})), true);
  assert.equal(lostAfter(1_001, claim({ x: both, y: both })), false);
  assert.equal(lostAfter(1_001, claim({}, [plain])), false);
  assert.equal(lostAfter(0, claim({ x: ['Failed'] })), true);
  assert.equal(lostAfter(5_000, { metadata: { name: 'c' }, status: {} } as ResourceClaim), false);
  assert.equal(hasConditions(claim({})), true);
  assert.equal(hasConditions(claim({}, [plain])), false);
});
