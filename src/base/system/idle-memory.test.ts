import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../virtual-clock.ts';
import { type MemoryUse, planRelease, release, releaseMemoryWhenIdle } from './idle-memory.ts';

const mebibyte = 1024 * 1024;
const rows: [
  name: string,
  afterLastMiB: number,
  wasBusy: boolean,
  cpuShare: number,
  nowMiB: number,
  usedMiB: number,
  isKeptFast: boolean,
  string,
][] = [
  ['busy', 0, true, 0.5, 40, 30, false, 'nothing'],
  ['idle after its start', 30, true, 0.01, 74, 40, false, 'thorough'],
  ['idle since a burst not long ago', 30, true, 0.01, 74, 40, true, 'nothing'],
  ['idle long after a burst', 30, true, 0.01, 74, 40, false, 'thorough'],
  ['idle for long', 30, false, 0.01, 44, 40, false, 'ordinary'],
  ['idle, and hardly grown', 30, true, 0.01, 36, 30, false, 'nothing'],
  [
    'idle after a burst, with so much that it would stand still for long',
    60,
    true,
    0.01,
    200,
    180,
    false,
    'ordinary',
  ],
];
for (const [name, afterLastMiB, wasBusy, cpuShare, nowMiB, usedMiB, isKeptFast, expected] of rows)
  test(`the memory to give back of a process that is ${name}: ${expected}`, () => {
    const last = { heapBytes: afterLastMiB * mebibyte, wasBusy };
    const use = { cpuShare, isKeptFast, heapBytes: nowMiB * mebibyte, usedBytes: usedMiB * mebibyte };
    assert.equal(planRelease(last, use), expected);
  });

test('much garbage after a burst does not keep a process from a thorough collection', () => {
  const state = { heapBytes: 60 * mebibyte, wasBusy: true };
  let use: MemoryUse = {
    cpuShare: 0.01,
    isKeptFast: false,
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

test('after a burst that is not the start, memory is kept for as long as is asked for', async (context) => {
  const collected: string[] = [];
  const { gc } = globalThis;
  context.after(() => Object.assign(globalThis, { gc }));
  Object.assign(globalThis, { gc: ({ flavor }: { flavor: string }) => collected.push(flavor) });
  let heapMiB = 40;
  context.mock.method(process, 'memoryUsage', () => ({
    heapTotal: heapMiB * mebibyte,
    heapUsed: 30 * mebibyte,
  }));
  let busyMs = 0;
  context.mock.method(process, 'cpuUsage', (before?: NodeJS.CpuUsage) => ({
    user: busyMs * 1000 - (before?.user ?? 0),
    system: 0,
  }));
  const clock = new VirtualClock();
  const stop = new AbortController();
  releaseMemoryWhenIdle(clock, stop.signal, 60_000);
  const pass = async (seconds: number, workMs: number) => {
    busyMs += workMs;
    await clock.advance(seconds * 1000);
    return collected.splice(0);
  };

  assert.deepEqual(await pass(5, 2_000), []);
  assert.deepEqual(await pass(5, 10), ['last-resort'], 'what served the start goes at once');
  heapMiB = 120;
  assert.deepEqual(await pass(5, 2_000), []);
  assert.deepEqual(await pass(55, 10), []);
  assert.deepEqual(await pass(5, 10), ['last-resort']);
  heapMiB = 200;
  assert.deepEqual(await pass(5, 500), []);
  assert.deepEqual(await pass(5, 10), ['last-resort'], 'a little work is no burst');
  stop.abort();
});
