import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '../../../base/async/until.fixture.ts';
import { silentLogger } from '../../../base/logger.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import { rotateLog } from '../../linux/log-rotation.ts';
import { type LogOptions, serveLog } from './container-logs.ts';
import { openRotated } from './log-files.ts';
import { isBefore, lastLoggedAtMs, readLastLogLines } from './log-reader.ts';

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
  const putAside = async () => {
    assert.equal(await rotateLog('id', path, options), true);
    await clock.advance(1000);
  };
  return {
    path,
    reopened,
    rotate: () => rotateLog('id', path, options),
    async fill(rounds: number) {
      for (let round = 0; round < rounds; round++) {
        writeFileSync(path, `content of round ${round}`);
        await putAside();
      }
    },
    putAside,
    files: () => readdirSync(dirname(path)).sort(),
  };
}

/** A follower of a log that is held up before its first read, while `happen` goes on; returns what it gives then. */
async function followedOver(path: string, happen: () => Promise<void>): Promise<string> {
  const asked = Promise.withResolvers<void>();
  const isRunning = Promise.withResolvers<boolean>();
  const { ended, text } = serve(path, { follow: true }, () => {
    asked.resolve();
    return isRunning.promise;
  });
  await asked.promise;
  await happen();
  isRunning.resolve(false);
  await ended;
  return text();
}

for (const { filesMax, files, given } of [
  {
    filesMax: 5,
    files: ['0.log', '0.log.20260101-000000.gz', '0.log.20260101-000001.gz', '0.log.20260101-000002'],
    given: 'one\nfirst\nsecond\nthird\n3\n',
  },
  // The file that the follower holds is gone from the folder.
  {
    filesMax: 3,
    files: ['0.log', '0.log.20260101-000001.gz', '0.log.20260101-000002'],
    given: 'one\nfirst\nsecond\nthird\n3\n',
  },
  // And here the one after it, too.
  { filesMax: 2, files: ['0.log', '0.log.20260101-000002'], given: 'one\nfirst\nthird\n3\n' },
])
  test(`a follower that falls behind three rotations gives what ${filesMax} files keep, in order`, async () => {
    const { path, putAside, files: present } = rotation(`behind-${filesMax}`, filesMax);
    writeFileSync(path, line(1, 'one'));
    const text = await followedOver(path, async () => {
      for (const [index, name] of ['first', 'second', 'third'].entries()) {
        appendFileSync(path, line(index + 2, name));
        await putAside();
      }
      appendFileSync(path, line(5, '3'));
      assert.deepEqual(present(), files);
    });
    assert.equal(text, given);
  });

test('a follower begins no file that is older than the one it began with', async () => {
  const { path, putAside } = rotation('older', 5);
  for (const [index, name] of ['zero', 'one', 'two'].entries()) {
    writeFileSync(path, line(index, name));
    await putAside();
  }
  writeFileSync(path, line(3, 'three'));
  const text = await followedOver(path, async () => {
    await putAside();
    appendFileSync(path, line(4, 'four'));
  });
  assert.equal(text, 'three\nfour\n');
});

test('a log that was removed by hand and begun anew is followed on', async () => {
  const path = writeLog('removed.log');
  const text = await followedOver(path, async () => {
    rmSync(path);
    writeFileSync(path, line(1, 'one'));
  });
  assert.equal(text, 'one\n');
});

test('a file that was packed since its name was read is opened as what it is now', async () => {
  const { path, fill } = rotation('packed-since', 5);
  await fill(2);
  const file = await openRotated(`${path}.20260101-000000`);
  assert.ok(file);
  await file.close();
});

test('of a packed file that is cut short, the lines that it has are given', async () => {
  const { path, putAside, files } = rotation('cut', 5);
  writeFileSync(path, line(1, 'one'));
  const text = await followedOver(path, async () => {
    await putAside();
    appendFileSync(path, Array.from({ length: 9 }, (_, index) => line(2, `two.${index}`)).join(''));
    await putAside();
    appendFileSync(path, line(3, 'three'));
    await putAside();
    const packed = join(dirname(path), files()[2]!);
    assert.match(packed, /000001\.gz$/);
    truncateSync(packed, statSync(packed).size - 8);
    appendFileSync(path, line(4, 'four'));
  });
  assert.equal(
    text,
    `one\n${Array.from({ length: 9 }, (_, index) => `two.${index}\n`).join('')}three\nfour\n`,
  );
});

test('the last lines of a log serve as a termination message', async () => {
  const path = writeLog('3.log', line(1, 'one'), line(2, 'two'), line(3, 'three'));
  assert.equal(await readLastLogLines(path, 2, 1000), 'two\nthree\n');
  assert.equal(await readLastLogLines(path, 2, 4), 'ree\n');
});

test('a full log is put aside, older ones are packed, and the oldest go', async () => {
  const { path, reopened, rotate, fill, files } = rotation('rotated', 3);
  writeFileSync(path, 'short');
  assert.equal(await rotate(), false);
  await fill(4);
  assert.equal(reopened.length, 4);
  assert.deepEqual(files(), ['0.log', '0.log.20260101-000002.gz', '0.log.20260101-000003']);
  assert.equal(readFileSync(`${path}.20260101-000003`, 'utf8'), 'content of round 3');
});

test('a log that others may not read is packed into a file that they may not read', async () => {
  const { path, fill, putAside, files } = rotation('private', 5);
  await fill(1);
  chmodSync(`${path}.20260101-000000`, 0o640);
  writeFileSync(path, 'one that is full');
  await putAside();
  assert.equal(files()[1], '0.log.20260101-000000.gz');
  assert.equal(statSync(`${path}.20260101-000000.gz`).mode & 0o777, 0o640);
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
