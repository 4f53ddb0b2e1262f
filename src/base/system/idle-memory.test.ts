import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemoryUse, planRelease, release } from './idle-memory.ts';

const mebibyte = 1024 * 1024;
const rows: [
  name: string,
  afterLastMiB: number,
  wasBusy: boolean,
  cpuShare: number,
  nowMiB: number,
  usedMiB: number,
  minutesSinceBurst: number,
  string,
][] = [
  ['busy', 0, true, 0.5, 40, 30, 0, 'nothing'],
  ['idle after its start', 30, true, 0.01, 74, 40, Number.POSITIVE_INFINITY, 'thorough'],
  ['idle since a burst some minutes ago', 30, true, 0.01, 74, 40, 9, 'nothing'],
  ['idle long after a burst', 30, true, 0.01, 74, 40, 11, 'thorough'],
  ['idle for long', 30, false, 0.01, 44, 40, 60, 'ordinary'],
  ['idle, and hardly grown', 30, true, 0.01, 36, 30, 60, 'nothing'],
  [
    'idle after a burst, with so much that it would stand still for long',
    60,
    true,
    0.01,
    200,
    180,
    11,
    'ordinary',
  ],
];
for (const [name, afterLastMiB, wasBusy, cpuShare, nowMiB, usedMiB, minutesSinceBurst, expected] of rows)
  test(`the memory to give back of a process that is ${name}: ${expected}`, () => {
    const last = { heapBytes: afterLastMiB * mebibyte, wasBusy };
    const sinceBurstMs = minutesSinceBurst * 60_000;
    const use = { cpuShare, sinceBurstMs, heapBytes: nowMiB * mebibyte, usedBytes: usedMiB * mebibyte };
    assert.equal(planRelease(last, use), expected);
  });

test('much garbage after a burst does not keep a process from a thorough collection', () => {
  const state = { heapBytes: 60 * mebibyte, wasBusy: true };
  let use: MemoryUse = {
    cpuShare: 0.01,
    sinceBurstMs: 660_000,
    heapBytes: 200 * mebibyte,
    usedBytes: 180 * mebibyte,
  };
  const collected: string[] = [];
  release(
    state,
    () => use,
    (kind) => {
      collected.push(kind);
      const heapMiB = kind === 'thorough' ? 70 : 150;
      use = { ...use, heapBytes: heapMiB * mebibyte, usedBytes: 40 * mebibyte };
    },
  );
  assert.deepEqual(collected, ['ordinary', 'thorough']);
  assert.deepEqual(state, { heapBytes: 70 * mebibyte, wasBusy: false });
});
