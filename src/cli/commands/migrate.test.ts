import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { Failure } from '../../host/failure.ts';
import { createSqliteStore } from '../../storage/sqlite/sqlite-store.ts';
import type { CliContext } from '../context.ts';
import { migrate } from './migrate.ts';

test('a target that holds something is refused, with the way to empty what an earlier migration left', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-migrate-'));
  try {
    const [from, to] = ['from.db', 'to.db'].map((name) => join(folder, name)) as [string, string];
    const store = await createSqliteStore({ path: from });
    await store.create('/registry/configmaps/default/c', Buffer.from('x'));
    await store.close();
    const printed: string[] = [];
    const context = sparse<CliContext>({ print: (line: string) => void printed.push(line) });
    const carry = () => migrate.run(context, ['--from', `sqlite:${from}`, '--to', `sqlite:${to}`]);
    assert.equal(await carry(), 0);
    assert.deepEqual(printed, [`1 objects carried from sqlite:${from} to sqlite:${to}`]);
    await assert.rejects(carry(), ({ message, advice }: Failure) => {
      assert.equal(message, 'the target holds 1 keys under /registry/ already; an empty one is needed');
      return advice?.endsWith(`empty it: rm -f ${to}*`) === true;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
