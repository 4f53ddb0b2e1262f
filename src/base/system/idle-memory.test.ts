import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRelease } from './idle-memory.ts';

const mebibyte = 1024 * 1024;
const rows: [
  name: string,
  afterLastMiB: number,
  wasBusy: boolean,
  cpuShare: number,
  nowMiB: number,
  usedMiB: number,
  string,
][] = [
  ['busy', 0, true, 0.5, 40, 30, 'nothing'],
  ['idle after a burst', 30, true, 0.01, 74, 40, 'thorough'],
  ['idle for long', 30, false, 0.01, 44, 40, 'ordinary'],
  ['idle, and hardly grown', 30, true, 0.01, 36, 30, 'nothing'],
  [
    'idle after a burst, with so much that it would stand still for long',
    60,
    true,
    0.01,
    200,
    180,
    'ordinary',
  ],
];
for (const [name, afterLastMiB, wasBusy, cpuShare, nowMiB, usedMiB, expected] of rows)
  test(`the memory to give back of a process that is ${name}: ${expected}`, () => {
    const last = { heapBytes: afterLastMiB * mebibyte, wasBusy };
    const use = { cpuShare, heapBytes: nowMiB * mebibyte, usedBytes: usedMiB * mebibyte };
    assert.equal(planRelease(last, use), expected);
  });
