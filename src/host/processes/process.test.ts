import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../failure.ts';
import {
  processIdentity,
  recordProcess,
  runningProcess,
  startProcess,
  stopProcess,
  stopRecorded,
} from './process.ts';

suite('processes that outlive the command that starts them', { skip: process.platform !== 'linux' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-process-'));
  const files = { logFile: join(folder, 'logs', 'it.log'), recordFile: join(folder, 'it.json') };
  after(() => rmSync(folder, { recursive: true }));
  const logged = async (line: string) => {
    while (!readFileSync(files.logFile, 'utf8').includes(line))
      await new Promise((resolve) => setImmediate(resolve));
  };
  const shell = (script: string) => startProcess({ ...files, command: '/bin/sh', args: ['-c', script] });

  test('a process that ends before it reports its identity fails with its log', async () => {
    const logFile = join(folder, 'logs', 'ended.log');
    const cgroupProcs = [join(folder, 'no', 'cgroup.procs')];
    const options = {
      ...files,
      logFile,
      command: '/bin/sleep',
      args: ['60'],
      enterPid: process.pid,
      cgroupProcs,
    };
    mkdirSync(join(folder, 'logs'));
    writeFileSync(logFile, 'of an earlier one\n');
    await assert.rejects(
      startProcess(options),
      new Failure('/bin/sleep ended at once', { logFile, logStart: 18 }),
    );
    assert.match(readFileSync(logFile, 'utf8'), /cgroup.procs/);
  });

  test('a process is started, found by its record, and stopped', async () => {
    const started = await shell('echo hello; exec sleep 60');
    assert.deepEqual(runningProcess(files.recordFile), started);
    await logged('hello');
    await stopRecorded(files.recordFile, 2000);
    assert.equal(processIdentity(started.pid), undefined);
    assert.equal(existsSync(files.recordFile), false);
    assert.equal(readFileSync(files.logFile, 'utf8'), 'hello\n');
    assert.deepEqual([started.logStart, (await shell('exec sleep 60')).logStart], [0, 6]);
    await stopRecorded(files.recordFile, 2000);
  });

  test('a process that cannot be recorded is not started, or is ended', async () => {
    const started = join(folder, 'started');
    const recordFile = join(folder, 'it.log', 'no-folder.json');
    writeFileSync(join(folder, 'it.log'), '');
    const command = { command: '/bin/sh', args: ['-c', `echo yes > ${started}`] };
    await assert.rejects(startProcess({ ...files, ...command, recordFile }), { code: 'EEXIST' });
    assert.equal(existsSync(started), false);
    const other = await shell('exec sleep 60');
    assert.throws(() => recordProcess(recordFile, other), { code: 'EEXIST' });
    while (processIdentity(other.pid)) await new Promise((resolve) => setImmediate(resolve));
  });

  test('several that record a process in the same place at once do not get in one another’s way', async () => {
    const recordFile = join(folder, 'contended.json');
    const module = fileURLToPath(new URL('./process.ts', import.meta.url));
    const code = `
      import { processIdentity, recordProcess } from ${JSON.stringify(module)};
      const own = processIdentity(process.pid);
      for (let times = 0; times < 2_000; times++) recordProcess(${JSON.stringify(recordFile)}, own);`;
    const writers = Array.from({ length: 2 }, () =>
      spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: 'ignore' }),
    );
    const codes = await Promise.all(writers.map(async (writer) => (await once(writer, 'exit'))[0] as number));
    assert.deepEqual(codes, [0, 0]);
    const { pid } = JSON.parse(readFileSync(recordFile, 'utf8')) as { pid: number };
    assert.ok(writers.some((writer) => writer.pid === pid));
  });

  test('a process that ignores SIGTERM is killed', async () => {
    const started = await shell("trap '' TERM; echo deaf; while :; do sleep 0.05; done");
    await logged('deaf');
    await stopProcess(started, 50);
    assert.equal(processIdentity(started.pid), undefined);
  });

  test('a record names no process when its pid belongs to another one, or to another boot', () => {
    const own = processIdentity(process.pid)!;
    for (const other of [
      { ...own, startTicks: own.startTicks + 1 },
      { ...own, bootId: 'another' },
    ]) {
      recordProcess(files.recordFile, other);
      assert.equal(runningProcess(files.recordFile), undefined);
      assert.equal(existsSync(files.recordFile), false);
    }
    writeFileSync(files.recordFile, '{"pid":');
    assert.equal(runningProcess(files.recordFile), undefined);
  });
});
