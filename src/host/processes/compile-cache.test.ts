import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { CommandError } from '../../base/system/command.ts';
import type { ClusterContext } from '../cluster-context.ts';
import { fillCompileCache } from './compile-cache.ts';

test('a program that takes too long to load starts without, one that cannot be loaded is reported', async (t) => {
  const compileCache = mkdtempSync(join(tmpdir(), 'wherry-compile-cache-'));
  t.after(() => rmSync(compileCache, { recursive: true }));
  const program = (name: string, code: string) => {
    writeFileSync(join(compileCache, name), code);
    return join(compileCache, name);
  };
  const context = sparse<ClusterContext>({
    data: { compileCache },
    programs: { node: process.execPath, version: '1' },
    steps: { run: (_: string, work: () => Promise<unknown>) => work() },
  });
  const stamp = join(compileCache, 'loaded.json');
  await fillCompileCache(context, [program('slow.mjs', 'setInterval(() => {}, 1000)')], 200);
  assert.equal(existsSync(stamp), false);
  await assert.rejects(fillCompileCache(context, [program('bad.mjs', 'throw new Error("x")')]), CommandError);
  assert.equal(existsSync(stamp), false);
  await fillCompileCache(context, [program('good.mjs', '')]);
  assert.equal(existsSync(stamp), true);
});
