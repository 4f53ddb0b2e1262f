import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveSteps } from './live-steps.ts';

test('without a terminal there is one line per step, when it is done, with its time', async () => {
  let text = '';
  let nowMs = 0;
  const steps = liveSteps({ write: (more) => (text += more), isTerminal: false, nowMs: () => nowMs });
  const result = await steps.run('first', async () => {
    nowMs += 1500;
    return 42;
  });
  assert.equal(result, 42);
  await assert.rejects(
    steps.run('second', () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.match(text, /^ ✓ first +1\.5 s\n ✗ second +0\.0 s\n$/);
});
