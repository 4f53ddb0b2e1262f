import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../virtual-clock.ts';
import { abortLater } from './abort-later.ts';

test('an abort is passed on after the delay, unless the work has ended by then', async () => {
  for (const isAbortedBefore of [false, true]) {
    const clock = new VirtualClock();
    const first = new AbortController();
    if (isAbortedBefore) first.abort(new Error('over'));
    const { signal } = abortLater(clock, first.signal, 5000);
    const ended = abortLater(clock, first.signal, 5000);
    first.abort(new Error('over'));
    await clock.advance(4999);
    assert.equal(signal.aborted, false);
    ended.close();
    await clock.advance(1);
    assert.equal(signal.aborted, true);
    assert.match(String(signal.reason), /over/);
    assert.equal(ended.signal.aborted, false);
  }
});
