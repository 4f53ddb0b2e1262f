import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { followLog } from './follow-log.ts';

test('a log is followed into the one that takes its place, and when it is emptied', {
  timeout: 60_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-follow-'));
  const file = join(folder, 'server.log');
  writeFileSync(file, 'before\n');
  const stop = new AbortController();
  let seen = '';
  let arrived = Promise.withResolvers<void>();
  const write = (bytes: Buffer) => {
    seen += bytes.toString();
    arrived.resolve();
  };
  const following = followLog({ file, tail: 0, write }, stop.signal);
  const next = async (act: () => void, expected: string) => {
    seen = '';
    act();
    while (seen !== expected) {
      arrived = Promise.withResolvers<void>();
      await arrived.promise;
    }
  };
  try {
    await next(() => appendFileSync(file, 'one\n'), 'one\n');
    await next(() => {
      appendFileSync(file, 'last\n');
      renameSync(file, `${file}.1`);
      writeFileSync(file, 'two\n');
    }, 'last\ntwo\n');
    await next(() => appendFileSync(file, 'three\n'), 'three\n');
    truncateSync(file, 0);
    await next(() => appendFileSync(file, '4\n'), '4\n');
    appendFileSync(join(folder, 'agent.log'), 'other\n');
    await next(() => appendFileSync(file, '5\n'), '5\n');
    assert.equal(seen, '5\n', 'nothing of the log beside it');
  } finally {
    stop.abort();
    await following;
    rmSync(folder, { recursive: true });
  }
});

test('nothing is lost between the last lines that are there and the first that come', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-follow-'));
  const file = join(folder, 'server.log');
  const lines = Array.from({ length: 10_000 }, (_, index) => `line ${index} of the log`);
  writeFileSync(file, `${lines.join('\n')}\nhalf of a`);
  const stop = new AbortController();
  let seen = '';
  const write = (bytes: Buffer) => {
    // While the first of the last lines is shown, the log is completed and put aside.
    if (seen === '') {
      appendFileSync(file, ' line\nlast\n');
      renameSync(file, `${file}.1`);
      writeFileSync(file, 'two\n');
    }
    seen += bytes.toString();
    if (seen.endsWith('two\n')) stop.abort();
  };
  try {
    await followLog({ file, tail: 5_000, write }, stop.signal);
    assert.equal(seen, `${lines.slice(-4_999).join('\n')}\nhalf of a line\nlast\ntwo\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
