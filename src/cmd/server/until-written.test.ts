import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../../api/status.ts';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { untilWritten } from './until-written.ts';

const refusal = new StatusError(500, 'InternalError', 'failed calling webhook');

test('what is refused is tried again, later and later, until it is written', async () => {
  const clock = new VirtualClock();
  const tries: number[] = [];
  const write = async () => {
    tries.push(clock.monotonic());
    if (tries.length < 4) throw refusal;
  };
  const { signal } = new AbortController();
  const written = untilWritten(write, { clock, logger: silentLogger, signal });
  await clock.advance(60_000);
  await written;
  const [first = 0] = tries;
  assert.deepEqual(
    tries.map((ms) => ms - first),
    [0, 1_000, 3_000, 7_000],
  );
});

test('it ends with the signal, and with what is no refusal', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const options = { clock, logger: silentLogger, signal: stop.signal };
  const waiting = untilWritten(() => Promise.reject(refusal), options);
  await clock.advance(10);
  stop.abort();
  await waiting;
  const { signal } = new AbortController();
  const fault = new TypeError('a fault');
  await assert.rejects(
    untilWritten(() => Promise.reject(fault), { ...options, signal }),
    fault,
  );
});
