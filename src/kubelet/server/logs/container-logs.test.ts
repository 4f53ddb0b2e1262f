import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '../../../base/async/until.fixture.ts';
import { silentLogger } from '../../../base/logger.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import { rotateLog } from '../../linux/log-rotation.ts';
import { isBefore, type LogOptions, serveLog } from './container-logs.ts';
import { lastLoggedAtMs, readLastLogLines } from './log-reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-kubelet-logs-'));
after(() => rmSync(folder, { recursive: true }));

const line = (second: number, text: string, stream = 'stdout', tag = 'F') =>
  `2026-01-01T00:00:0${second}.5Z ${stream} ${tag} ${text}\n`;

function writeLog(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join(''));
  return path;
}

/** `text` returns what has been sent so far. */
function serve(path: string, options: Partial<LogOptions>, isRunning = async () => false) {
  const parts: Buffer[] = [];
  const sink = {
    signal: new AbortController().signal,
    write: async (data: Buffer) => {
      parts.push(Buffer.from(data));
      return true;
    },
  };
  const ended = serveLog(path, { follow: false, timestamps: false, ...options }, sink, isRunning);
  return { ended, text: () => Buffer.concat(parts).toString() };
}

async function read(path: string, options: Partial<LogOptions> = {}): Promise<string> {
  const { ended, text } = serve(path, options);
  await ended;
  return text();
}

test('lines before those of the newest file are in the file that was put aside, also while that is packed', async () => {
  const path = writeLog('aside.log', line(2, 'two'));
  writeLog('aside.log.20260101-000000.gz', 'packed');
  writeLog('aside.log.20260101-000001', line(1, 'one'));
  writeLog('aside.log.20260101-000001.tmp', 'half packed');
  assert.equal(await read(path, { tailLines: 5 }), 'one\ntwo\n');
});

test('a log is given by lines, from the end, by time, by stream and by size', async () => {
  const path = writeLog(
    '1.log',
    line(1, 'one'),
    line(2, 'two', 'stderr'),
    line(3, 'thr', 'stdout', 'P'),
    line(3, 'ee'),
  );
  assert.equal(await read(path), 'one\ntwo\nthree\n');
  assert.equal(await read(path, { tailLines: 0 }), '');
  assert.equal(await read(path, { tailLines: 3 }), 'two\nthree\n');
  assert.equal(await read(path, { since: '2026-01-01T00:00:02.000Z' }), 'two\nthree\n');
  assert.equal(await read(path, { stream: 'stderr' }), 'two\n');
  assert.equal(await read(path, { limitBytes: 6 }), 'one\ntw');
  assert.equal(await read(path, { timestamps: true, tailLines: 1 }), '2026-01-01T00:00:03.5Z ee\n');
  assert.equal(await read(join(folder, 'none.log')), '');
});

test('lines written while a log is read are not part of the answer', async () => {
  const path = writeLog('growing.log', line(1, 'one'), line(2, 'two'));
  const parts: string[] = [];
  const write = async (data: Buffer) => {
    parts.push(data.toString());
    appendFileSync(path, line(3, 'late'));
    return true;
  };
  const sink = { signal: new AbortController().signal, write };
  const options = { follow: false, timestamps: false, tailLines: 1 };
  await serveLog(path, options, sink, async () => true);
  assert.deepEqual(parts, ['two\n']);
});

test('times are compared to the nanosecond', () => {
  assert.equal(isBefore('2026-01-01T00:00:00.000000001Z', '2026-01-01T00:00:00.000000002Z'), true);
  assert.equal(isBefore('2026-01-01T00:00:00.1Z', '2026-01-01T00:00:00.100Z'), false);
});

test('a follower gets what is written until the container ends, over a rotation', async () => {
  const path = writeLog('2.log', line(1, 'one'));
  let running = true;
  const { ended, text } = serve(path, { follow: true }, async () => running);
  await until(() => text() === 'one\n');
  renameSync(path, `${path}.20260101-000000`);
  appendFileSync(`${path}.20260101-000000`, line(2, 'two'));
  writeFileSync(path, line(3, 'three'));
  await until(() => text().endsWith('three\n'));
  appendFileSync(path, line(4, 'four'));
  running = false;
  appendFileSync(path, line(5, 'five'));
  await ended;
  assert.equal(text(), 'one\ntwo\nthree\nfour\nfive\n');
});

test('the last lines of a log serve as a termination message', async () => {
  const path = writeLog('3.log', line(1, 'one'), line(2, 'two'), line(3, 'three'));
  assert.equal(await readLastLogLines(path, 2, 1000), 'two\nthree\n');
  assert.equal(await readLastLogLines(path, 2, 4), 'ree\n');
});

/** A log in a separate folder, which a runtime reopens on request. */
function rotation(name: string, filesMax: number) {
  const path = join(folder, name, '0.log');
  mkdirSync(dirname(path));
  const clock = new VirtualClock(Date.UTC(2026, 0, 1));
  const reopened: string[] = [];
  const runtime = {
    reopenContainerLog: async (id: string) => {
      reopened.push(id);
      writeFileSync(path, '');
    },
  };
  const limits = { sizeMaxBytes: 10, filesMax, everyMs: 1000 };
  const options = { runtime, clock, logger: silentLogger, logs: () => [], ...limits };
  return {
    path,
    reopened,
    rotate: () => rotateLog('id', path, options),
    async fill(rounds: number) {
      for (let round = 0; round < rounds; round++) {
        writeFileSync(path, `content of round ${round}`);
        assert.equal(await rotateLog('id', path, options), true);
        await clock.advance(1000);
      }
    },
    files: () => readdirSync(dirname(path)).sort(),
  };
}

test('a full log is put aside, older ones are packed, and the oldest go', async () => {
  const { path, reopened, rotate, fill, files } = rotation('rotated', 3);
  writeFileSync(path, 'short');
  assert.equal(await rotate(), false);
  await fill(4);
  assert.equal(reopened.length, 4);
  assert.deepEqual(files(), ['0.log', '0.log.20260101-000002.gz', '0.log.20260101-000003']);
  assert.equal(readFileSync(`${path}.20260101-000003`, 'utf8'), 'content of round 3');
});

test('the limit of log files includes the one that is being written', async () => {
  const { fill, files } = rotation('two', 2);
  await fill(3);
  assert.deepEqual(files(), ['0.log', '0.log.20260101-000002']);
});

test('a log that was renamed and not reopened is reopened, and an interrupted compression leaves nothing', async () => {
  const { path, reopened, rotate, fill, files } = rotation('cut-short', 3);
  await fill(1);
  renameSync(path, `${path}.20260101-000001`);
  assert.equal(await rotate(), false);
  assert.equal(reopened.length, 2);
  writeFileSync(`${path}.20260101-000000.tmp`, 'half of');
  writeFileSync(path, 'one that is full');
  assert.equal(await rotate(), true);
  assert.ok(!files().some((name) => name.endsWith('.tmp')));
});

test('the time of the last line is read from the end of a log', async () => {
  const path = writeLog('last.log', line(1, 'one'), line(2, 'two'));
  assert.equal(await lastLoggedAtMs(path), Date.parse('2026-01-01T00:00:02.500Z'));
  assert.equal(await lastLoggedAtMs(writeLog('empty.log')), Number.NEGATIVE_INFINITY);
  assert.equal(await lastLoggedAtMs(join(folder, 'none.log')), Number.NEGATIVE_INFINITY);
});
