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
  string,
][] = [
  ['busy', 0, true, 0.5, 40, 'nothing'],
  ['idle after a burst', 30, true, 0.01, 44, 'thorough'],
  ['idle for long', 30, false, 0.01, 44, 'ordinary'],
  ['idle, and hardly grown', 30, true, 0.01, 36, 'nothing'],
  ['idle after a burst, with so much that it would stand still for long', 60, true, 0.01, 200, 'ordinary'],
];
for (const [name, afterLastMiB, wasBusy, cpuShare, nowMiB, expected] of rows)
  test(`of a process that is ${name} the memory to give back is: ${expected}`, () => {
    const last = { heapBytes: afterLastMiB * mebibyte, wasBusy };
    assert.equal(planRelease(last, { cpuShare, heapBytes: nowMiB * mebibyte }), expected);
  });
