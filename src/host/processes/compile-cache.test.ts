import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { CommandError } from '../../base/system/command.ts';
import type { ClusterContext } from '../cluster/cluster-context.ts';
import { fillCompileCache } from './compile-cache.ts';

/** Of a cache folder of its own. */
function emptyCache(t: TestContext) {
  const compileCache = mkdtempSync(join(tmpdir(), 'wherry-compile-cache-'));
  t.after(() => rmSync(compileCache, { recursive: true }));
  const program = (name: string, code: string) => {
    writeFileSync(join(compileCache, name), code);
    return join(compileCache, name);
  };
  const context = (version = '1') =>
    sparse<ClusterContext>({
      data: { compileCache },
      programs: { node: process.execPath, version },
      steps: { run: (_: string, work: () => Promise<unknown>) => work() },
    });
  return { compileCache, program, context };
}

test('a program that takes too long to load starts without, one that cannot be loaded is reported', async (t) => {
  const { compileCache, program, context } = emptyCache(t);
  const isNoted = (name: string) => existsSync(join(compileCache, `${name}.loaded`));
  await fillCompileCache(context(), [program('slow.mjs', 'setInterval(() => {}, 1000)')], 200);
  assert.equal(isNoted('slow.mjs'), false);
  const bad = program('bad.mjs', 'throw new Error("x")');
  await assert.rejects(fillCompileCache(context(), [bad]), CommandError);
  assert.equal(isNoted('bad.mjs'), false);
  await fillCompileCache(context(), [program('good.mjs', '')]);
  assert.equal(isNoted('good.mjs'), true);
});

test('each program is loaded once for every version, whichever others are asked for with it', async (t) => {
  const { compileCache, program, context } = emptyCache(t);
  const [one, two] = ['one', 'two'].map((name) =>
    program(
      `${name}.mjs`,
      `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(join(compileCache, 'loads'))}, '${name} ');`,
    ),
  ) as [string, string];
  await fillCompileCache(context(), [one]);
  await fillCompileCache(context(), [one, two]);
  await fillCompileCache(context(), [one]);
  await fillCompileCache(context('2'), [one]);
  assert.equal(readFileSync(join(compileCache, 'loads'), 'utf8'), 'one two one ');
});
