import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { PodStarts } from './pod-starts.ts';

const limitMs = 2000;

/** Calls that take as long as asked, and when the wait for them ended, in milliseconds. */
function setup() {
  const clock = new VirtualClock();
  const starts = new PodStarts(clock);
  const stop = new AbortController();
  const startMs = clock.monotonic();
  const ends: number[] = [];
  return {
    clock,
    stop,
    ends,
    call: (takesMs: number) => starts.during(() => clock.sleep(takesMs)),
    wait: () => starts.over(limitMs, stop.signal).then(() => ends.push(clock.monotonic() - startMs)),
  };
}

test('nothing waits where no pod starts', async () => {
  const { ends, wait } = setup();
  await wait();
  assert.deepEqual(ends, [0]);
});

test('the wait is over when the last call is, and no other has followed it at once', async () => {
  const { clock, ends, call, wait } = setup();
  const calls = Promise.all([
    call(300),
    call(500)
      .then(() => clock.sleep(50))
      .then(() => call(200)),
  ]);
  const waited = wait();
  await clock.advance(1000);
  await Promise.all([calls, waited]);
  assert.deepEqual(ends, [850]);
});

test('a call that fails is over, too', async () => {
  const clock = new VirtualClock();
  const starts = new PodStarts(clock);
  await assert.rejects(
    starts.during(() => Promise.reject(new Error('no sandbox'))),
    /no sandbox/,
  );
  await clock.advance(100);
  await starts.over(limitMs, new AbortController().signal);
});

test('the wait has a limit, and ends with the agent', async () => {
  const { clock, ends, stop, call, wait } = setup();
  void call(60_000);
  const first = wait();
  await clock.advance(2500);
  await first;
  const second = wait();
  stop.abort();
  await second;
  assert.deepEqual(ends, [limitMs, 2500]);
});
