import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { systemClock } from '../../../base/clock.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import { Haproxy } from './haproxy.ts';
import type { HaproxyFiles } from './haproxy-config.ts';
import { HaproxyProcess } from './haproxy-process.ts';

const suiteOptions = { skip: !hasHaproxy(), timeout: 60_000 };
const folder = mkdtempSync(join(tmpdir(), 'whnet-haproxy-'));
after(() => rmSync(folder, { recursive: true }));

const run = join(folder, 'run');
const files = (name: string, address = `${run}/front.sock`): HaproxyFiles => ({
  config: `global\n  stats socket ${run}/admin.sock mode 600 level admin expose-fd listeners\n
defaults\n  mode http\n  timeout client 1s\n  timeout connect 1s\n  timeout server 1s\n
frontend ${name}\n  bind ${address}\n  http-request return status 204\n`,
  files: {},
  slots: new Map(),
});
const haproxy = new Haproxy({ folder: run, logFile: join(folder, 'log'), clock: systemClock });

it(
  'ends at once after a reload, though a process that replaces itself loses signals',
  suiteOptions,
  async () => {
    for (let round = 0; round < 4; round++) {
      assert.equal(await haproxy.apply(files(`first${round}`)), 'started');
      const pid = readFileSync(join(run, 'haproxy.pid'), 'utf8');
      assert.equal(await haproxy.apply(files(`second${round}`)), 'reloaded');
      await haproxy.stop();
      assert.ok(!existsSync(`/proc/${pid}`), `round ${round}`);
    }
  },
);

it(
  'tells at once that a process is gone that had lasted, and leaves one that did not to those who look',
  suiteOptions,
  async () => {
    let nowMs = 0;
    const gone = Promise.withResolvers<void>();
    let ends = 0;
    const watched = new Haproxy({
      folder: run,
      logFile: join(folder, 'log'),
      clock: { ...systemClock, monotonic: () => nowMs },
      onEnd() {
        ends++;
        gone.resolve();
      },
    });
    const pid = () => Number(readFileSync(join(run, 'haproxy.pid'), 'utf8'));
    await watched.apply(files('short'));
    process.kill(pid(), 'SIGKILL');
    while (await watched.isRunning()) await systemClock.sleep(10);
    assert.equal(await watched.apply(files('long')), 'started');
    assert.equal(ends, 0);
    nowMs = 60_000;
    process.kill(pid(), 'SIGKILL');
    await gone.promise;
    assert.equal(ends, 1);
  },
);

it('a program that cannot be started leaves no file open', async () => {
  const logFile = join(folder, 'log');
  const nothing = new HaproxyProcess({
    folder: run,
    logFile,
    clock: systemClock,
    enter: [join(folder, 'no-such-program')],
  });
  await assert.rejects(nothing.start(), { code: 'ENOENT' });
  const open = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return 'the descriptor of the listing itself';
    }
  });
  assert.equal(open.includes(logFile), false);
});

it('a process that cannot start is not waited for', suiteOptions, async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  await assert.rejects(haproxy.apply(files('taken', `127.0.0.1:${port}`)), /haproxy has ended: see .*\/log$/);
  taken.close();
  assert.equal(await haproxy.apply(files('free')), 'started');
  await haproxy.stop();
});

it('a process that takes a command and says nothing is not waited for', async () => {
  const silent = mkdtempSync(join(folder, 'silent-'));
  const server = createServer({ allowHalfOpen: true }).listen(join(silent, 'admin.sock'));
  await once(server, 'listening');
  const clock = new VirtualClock();
  const hanging = new HaproxyProcess({ folder: silent, logFile: join(folder, 'log'), clock });
  const connected = once(server, 'connection');
  const refused = assert.rejects(hanging.command('show info'), /haproxy does not answer within 5000 ms/);
  const [taken] = (await connected) as [Socket];
  await clock.advance(5_000);
  await refused;
  taken.destroy();
  server.close();
});

it('files of certificates go with their secrets', suiteOptions, async () => {
  const withKeys = (...names: string[]) => ({
    ...files('keys'),
    files: Object.fromEntries(names.map((name) => [name, 'a key'])),
  });
  const refused = { ...withKeys('other_c.pem'), config: 'global\n  nonsense\n' };
  await haproxy.apply(withKeys('default_a.pem', 'default_b.pem'));
  await assert.rejects(haproxy.apply(refused), { name: 'CommandError' });
  await haproxy.apply(withKeys('default_b.pem'));
  const kept = readdirSync(run, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.pem'),
  );
  assert.deepEqual(kept, ['default_b.pem']);
  await haproxy.stop();
});

function hasHaproxy(): boolean {
  try {
    execFileSync('haproxy', ['-v']);
    return true;
  } catch {
    return false;
  }
}
