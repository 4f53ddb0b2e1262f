import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { giveToGroup } from './ownership.ts';

const needsRoot = { skip: process.getuid?.() !== 0 && 'needs root' };
const gid = 1234;

test('a volume behind a link goes to the group; of links within only themselves', needsRoot, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-ownership-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const at = (...path: string[]) => join(folder, ...path);
  mkdirSync(at('volume', 'd'), { recursive: true, mode: 0o700 });
  writeFileSync(at('volume', 'd', 'f'), '', { mode: 0o600 });
  writeFileSync(at('outside'), '', { mode: 0o600 });
  symlinkSync(at('outside'), at('volume', 'out'));
  symlinkSync(at('volume'), at('link'));
  await giveToGroup(at('link'), gid, undefined);
  const shown = (...path: string[]) => {
    const { gid, mode } = lstatSync(at(...path));
    return [gid, (mode & 0o7777).toString(8)];
  };
  assert.deepEqual(shown('volume'), [gid, '2770']);
  assert.deepEqual(shown('volume', 'd'), [gid, '2770']);
  assert.deepEqual(shown('volume', 'd', 'f'), [gid, '660']);
  assert.equal(shown('volume', 'out')[0], gid);
  assert.deepEqual(shown('outside'), [0, '600']);
  assert.notEqual(shown('link')[0], gid);

  writeFileSync(at('volume', 'later'), '', { mode: 0o600 });
  await giveToGroup(at('link'), gid, 'OnRootMismatch');
  assert.deepEqual(
    shown('volume', 'later'),
    [gid, '600'],
    'setgid gave it the group, and nothing was gone through',
  );
});

test(
  'what was interrupted is begun again, although the policy only looks at the root',
  needsRoot,
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'wherry-ownership-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const name of ['a', 'b']) writeFileSync(join(folder, name), '', { mode: 0o600 });
    const groups = () => ['a', 'b', ''].map((name) => lstatSync(join(folder, name)).gid);
    let files = 0;
    const interrupt = () => {
      if (++files === 1) throw new Error('the agent ends');
    };
    await assert.rejects(giveToGroup(folder, gid, 'OnRootMismatch', interrupt), /the agent ends/);
    assert.equal(groups().filter((one) => one === gid).length, 1);
    await giveToGroup(folder, gid, 'OnRootMismatch', interrupt);
    assert.deepEqual(groups(), [gid, gid, gid]);
    assert.equal(files, 4);
  },
);
