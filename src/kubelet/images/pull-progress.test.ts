import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Download } from '../cri/containerd/containerd-downloads.ts';
import { formatSize, reportPullProgress } from './pull-progress.ts';

function follow(states: (Download[] | Error)[], pulls = 1) {
  const clock = new VirtualClock();
  const told: string[] = [];
  const ended = new AbortController();
  const note = (reason: string, message: string) => void told.push(`${reason}: ${message}`);
  const runtime = {
    async downloads() {
      const state = states.shift() ?? [];
      if (state instanceof Error) throw state;
      return state;
    },
  };
  const events = { normal: note, warning: note };
  const done = reportPullProgress(
    { runtime, clock, events, image: 'app:1', pulls: () => pulls },
    ended.signal,
  );
  return { clock, told, ended, done };
}

const part = (ref: string, receivedBytes: number, totalBytes = 0): Download => ({
  ref,
  receivedBytes,
  totalBytes,
});

test('a pull that takes long tells how much has arrived, complete parts included, ever less often', async () => {
  const { clock, told, ended, done } = follow([
    // Left by an earlier attempt, which this one continues.
    [part('a', 5e6, 20e6)],
    [part('a', 15e6, 20e6), part('b', 1e6, 9e6)],
    [part('b', 2.5e6, 9e6)],
    [],
  ]);
  await clock.advance(9_900);
  assert.deepEqual(told, []);
  await clock.advance(60_200);
  assert.deepEqual(told, [
    'PullProgress: Still pulling image "app:1" after 10s: 11.0MB received',
    'PullProgress: Still pulling image "app:1" after 30s: 17.5MB received',
    'PullProgress: Still pulling image "app:1" after 70s: 24.0MB received',
  ]);
  await clock.advance(3_600_000);
  assert.ok(told.length < 20, `${told.length} events in an hour`);
  const before = told.length;
  ended.abort();
  await done;
  await clock.advance(3_600_000);
  assert.equal(told.length, before);
});

test('what arrives for several images is told as such; without figures there is the time', async () => {
  const several = follow([[], [part('a', 10)]], 3);
  await several.clock.advance(10_000);
  assert.deepEqual(several.told, [
    'PullProgress: Still pulling image "app:1" after 10s: 10B received for 3 images together',
  ]);
  const silent = follow([[], new Error('not now')]);
  await silent.clock.advance(10_000);
  assert.deepEqual(silent.told, ['PullProgress: Still pulling image "app:1" after 10s']);
  for (const { ended, done } of [several, silent]) {
    ended.abort();
    await done;
  }
});

test('sizes are written as container tools do', () => {
  assert.deepEqual([0, 999, 1000, 123_456_789, 5e15].map(formatSize), [
    '0B',
    '999B',
    '1.0kB',
    '123.5MB',
    '5000.0TB',
  ]);
});
