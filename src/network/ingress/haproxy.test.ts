import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { createHaproxy } from './haproxy.ts';
import type { HaproxyFiles } from './haproxy-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'whnet-haproxy-'));
after(() => rmSync(folder, { recursive: true }));

it('ends at once after a reload, though a process that replaces itself loses signals', {
  skip: !hasHaproxy(),
  timeout: 60_000,
}, async () => {
  const run = join(folder, 'run');
  const haproxy = createHaproxy({ folder: run, logFile: join(folder, 'log'), clock: systemClock });
  const files = (name: string): HaproxyFiles => ({
    config: `global\n  stats socket ${run}/admin.sock mode 600 level admin expose-fd listeners\n
defaults\n  mode http\n  timeout client 1s\n  timeout connect 1s\n  timeout server 1s\n
frontend ${name}\n  bind ${run}/front.sock\n  http-request return status 204\n`,
    files: {},
    slots: new Map(),
  });
  for (let round = 0; round < 4; round++) {
    assert.equal(await haproxy.apply(files(`first${round}`)), 'started');
    const pid = readFileSync(join(run, 'haproxy.pid'), 'utf8');
    assert.equal(await haproxy.apply(files(`second${round}`)), 'reloaded');
    await haproxy.stop();
    assert.ok(!existsSync(`/proc/${pid}`), `round ${round}`);
  }
});

function hasHaproxy(): boolean {
  try {
    execFileSync('haproxy', ['-v']);
    return true;
  } catch {
    return false;
  }
}
