import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const self = new URL(import.meta.url).pathname;

/** The child prints continually, to a log that is full. */
async function tellMuch(): Promise<void> {
  const { createLogger } = await import('../base/logger.ts');
  const { systemClock } = await import('../base/clock.ts');
  const { runUntilSignalled } = await import('./lifetime.ts');
  const write = (line: string) => process.stderr.write(line);
  const logger = createLogger({ clock: systemClock, write, level: 'info', component: 'test' });
  await runUntilSignalled(logger, async () => {
    for (let line = 0; line < 5; line++) {
      logger.info('a line');
      await sleep(5);
    }
  });
}

if (process.argv[2] === 'child') await tellMuch();
else
  test('a process lives on when its log has no room left', async () => {
    const full = openSync('/dev/full', 'w');
    try {
      const child = spawn(process.execPath, [self, 'child'], { stdio: ['ignore', 'ignore', full] });
      const [code] = (await once(child, 'exit')) as [number | null];
      assert.equal(code, 0);
    } finally {
      closeSync(full);
    }
  });
