import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from '../../base/async/until.fixture.ts';
import {
  isRunning,
  type ProcessIdentity,
  processIdentity,
  recordProcess,
  startProcess,
  stopProcess,
} from '../processes/process.ts';

const script = fileURLToPath(new URL('./supervise.sh', import.meta.url));
const limitMs = 60_000;

suite('the script of the supervisor', { skip: process.platform === 'win32', timeout: limitMs }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-supervisor-'));
  const path = (name: string) => join(folder, name);
  const started: ProcessIdentity[] = [];
  after(async () => {
    for (const identity of started) await stopProcess(identity, 0);
    rmSync(folder, { recursive: true });
  });
  const start = async (name: string, command: string, ...args: string[]) => {
    const files = { logFile: path(`${name}.log`), recordFile: path(`${name}.json`) };
    const identity = await startProcess({ command, args, ...files });
    started.push(identity);
    return identity;
  };
  const watch = (...processes: [string, ProcessIdentity][]) =>
    writeFileSync(
      path('watched'),
      processes.map(([name, { pid, startTicks }]) => `${name} ${pid} ${startTicks}\n`).join(''),
    );
  /** What the repairs have said, one line each. */
  const repairs = () => readFileSync(path('supervisor.log'), 'utf8').trim().split('\n').filter(Boolean);

  test('has dead processes repaired, leaves them alone while it is told to, and ends with the list', async () => {
    const one = await start('one', 'sleep', '600');
    const two = await start('two', 'sleep', '600');
    watch(['one', one], ['two', two]);
    const repair = ['/bin/sh', '-c', 'echo mended >&2; echo 600'];
    const supervisor = await start(
      'supervisor',
      '/bin/sh',
      ...[script, path('watched'), path('supervisor.json'), ...repair],
    );
    await stopProcess(one, 0);
    await until(() => repairs().length === 1);
    // It is to be left alone; another that dies is not.
    await stopProcess(two, 0);
    await until(() => repairs().length === 2);
    rmSync(path('watched'));
    await until(() => !isRunning(supervisor));
    assert.equal(repairs().length, 2);
  });

  test('it waits for whoever has started it to record it, and ends when another is recorded', async () => {
    watch(['dead', { ...processIdentity(process.pid)!, pid: 2 ** 22 - 1 }]);
    rmSync(path('supervisor.json'), { force: true });
    const repair = ['/bin/sh', '-c', 'echo mended late >&2; echo 600'];
    const log = openSync(path('supervisor.log'), 'a');
    const child = spawn('/bin/sh', [script, path('watched'), path('supervisor.json'), ...repair], {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const ended = once(child, 'exit');
    // Longer than the script takes for a turn.
    await setTimeout(2_500);
    assert.equal(child.exitCode, null);
    assert.ok(!repairs().includes('mended late'));
    recordProcess(path('supervisor.json'), processIdentity(child.pid!)!);
    await until(() => repairs().includes('mended late'));
    recordProcess(path('supervisor.json'), { ...processIdentity(process.pid)!, pid: 1 });
    await ended;
  });

  test('a pid that belongs to another process counts as dead, and processes no longer recorded are ended', async () => {
    const living = await start('living', 'sleep', '600');
    watch(['living', { ...living, startTicks: living.startTicks + (process.platform === 'linux' ? 1 : 0) }]);
    const repair = ['/bin/sh', '-c', 'echo mended again >&2; echo 0'];
    const supervisor = await start(
      'supervisor',
      '/bin/sh',
      ...[script, path('watched'), path('supervisor.json'), ...repair],
    );
    if (process.platform === 'linux') await until(() => repairs().includes('mended again'));
    writeFileSync(path('supervisor.json'), JSON.stringify({ ...supervisor, pid: 1 }));
    await until(() => !isRunning(supervisor));
  });
});
