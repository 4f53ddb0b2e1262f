import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs, {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { Failure } from './failure.ts';
import { emptyLockedFolder, withFolderLock, withLock, withOwnLock } from './lock.ts';
import { processIdentity } from './processes/process.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-lock-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('two at once take turns, and nothing is left', async () => {
  const file = join(folder, 'turns');
  const steps: string[] = [];
  const work = (name: string) =>
    withLock(file, async () => {
      steps.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      steps.push(`${name} ends`);
    });
  await Promise.all([work('first'), work('second')]);
  assert.deepEqual(steps, ['first begins', 'first ends', 'second begins', 'second ends']);
  assert.equal(existsSync(file), false);
});

test('what nobody is to wait for is refused at once while another has the lock', async () => {
  const file = join(folder, 'own');
  const refusal = ({ pid }: { pid: number }) => new Failure(`process ${pid} has it`);
  const second = () => withOwnLock(file, refusal, async () => 'second');
  await withOwnLock(file, refusal, () =>
    assert.rejects(second(), { message: `process ${process.pid} has it` }),
  );
  assert.equal(await second(), 'second');
  assert.equal(existsSync(file), false);
});

test('a lock is taken over from a process that is gone, and from a file that is none', async () => {
  const file = join(folder, 'left');
  symlinkSync(JSON.stringify({ pid: 2 ** 22 + 1, startTicks: 1 }), file);
  assert.equal(await withLock(file, async () => 'mine'), 'mine');
  writeFileSync(file, '');
  assert.equal(await withLock(file, async () => 'mine'), 'mine');
});

const gone = JSON.stringify({ pid: 2 ** 22 + 1, startTicks: 1 });
const running = JSON.stringify(processIdentity(process.ppid));

/** Between reading the lock and acting on it, the lock passes to a running command. */
const meanwhile = [
  {
    name: 'that its holder has just released',
    found: running,
    call: 'lstatSync' as const,
    step(file: string, look: () => unknown) {
      rmSync(file);
      try {
        return look();
      } finally {
        symlinkSync(running, file);
      }
    },
  },
  {
    name: 'that was left behind and that another command has just taken over',
    found: gone,
    call: 'readlinkSync' as const,
    step(file: string, look: () => unknown) {
      const seen = look();
      rmSync(file);
      symlinkSync(running, file);
      return seen;
    },
  },
];
for (const { name, found, call, step } of meanwhile)
  test(`a lock ${name} is not taken from its next holder`, async () => {
    const file = join(folder, call);
    symlinkSync(found, file);
    const original = fs[call] as (...args: unknown[]) => unknown;
    const looked = mock.method(fs, call, (...args: unknown[]) => original(...args));
    looked.mock.mockImplementationOnce((...args: unknown[]) => step(file, () => original(...args)));
    syncBuiltinESMExports();
    // It goes as far as its first wait before it returns its promise.
    const result = withLock(file, async () => 'mine');
    looked.mock.restore();
    syncBuiltinESMExports();
    assert.equal(readlinkSync(file), running);
    rmSync(file);
    assert.equal(await result, 'mine');
  });

test('a folder goes with its lock when nothing else is in it, and a command that waits for the lock creates it again', async () => {
  const path = join(folder, 'clusters', 'blue');
  const cluster = { path, lock: join(path, 'lock'), record: join(path, 'cluster.json') };
  let second: Promise<unknown> | undefined;
  await withFolderLock(cluster, async () => {
    for (const file of ['a-file', 'cluster.json']) writeFileSync(join(path, file), '');
    second = withFolderLock(cluster, async () => assert.deepEqual(readdirSync(path), ['lock']));
    await emptyLockedFolder(cluster);
    assert.deepEqual(readdirSync(path), ['lock']);
  });
  assert.equal(existsSync(path), false);
  await second;
  assert.equal(existsSync(path), false);
  await withFolderLock(cluster, async () => writeFileSync(cluster.record, ''));
  assert.deepEqual(readdirSync(path), ['cluster.json']);
});

test('a file that may not be removed is named, and the record stays until it is gone', async (t) => {
  const path = join(folder, 'clusters', 'immutable');
  const cluster = { path, lock: join(path, 'lock'), record: join(path, 'cluster.json') };
  const file = join(path, 'nodes/one/file');
  mkdirSync(join(path, 'nodes/one'), { recursive: true });
  for (const each of [file, cluster.record]) writeFileSync(each, '');
  const mark = (flag: string) => execFileSync('chattr', [flag, file], { stdio: 'ignore' });
  try {
    mark('+i');
  } catch {
    t.skip('needs root, chattr and a file system that knows the mark');
    return;
  }
  try {
    await assert.rejects(emptyLockedFolder(cluster), (error: Failure) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.message, `${file} cannot be removed`);
      assert.match(error.advice!, /chattr -i/);
      return true;
    });
    assert.ok(existsSync(cluster.record));
  } finally {
    mark('-i');
  }
  await emptyLockedFolder(cluster);
  assert.deepEqual(readdirSync(path), []);
});
