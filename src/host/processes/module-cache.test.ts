import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { CommandError } from '../../base/system/command.ts';
import { type ClusterContext, nodeFlags } from '../cluster/cluster-context.ts';
import { fillModuleCache } from './module-cache.ts';

/** Of a cache folder of its own. */
function emptyCache(t: TestContext) {
  const moduleCache = mkdtempSync(join(tmpdir(), 'wherry-module-cache-'));
  t.after(() => rmSync(moduleCache, { recursive: true }));
  const program = (name: string, code: string) => {
    writeFileSync(join(moduleCache, name), code);
    return join(moduleCache, name);
  };
  const context = (version = '1') =>
    sparse<ClusterContext>({
      data: { moduleCache },
      programs: { node: process.execPath, version },
      steps: { run: (_: string, work: () => Promise<unknown>) => work() },
    });
  return { moduleCache, program, context };
}

test('a program that takes too long to load starts without, one that cannot be loaded is reported', async (t) => {
  const { moduleCache, program, context } = emptyCache(t);
  const isNoted = (name: string) => existsSync(join(moduleCache, `${name}.loaded`));
  await fillModuleCache(context(), [program('slow.mjs', 'setInterval(() => {}, 1000)')], 200);
  assert.equal(isNoted('slow.mjs'), false);
  const bad = program('bad.mjs', 'throw new Error("x")');
  await assert.rejects(fillModuleCache(context(), [bad]), CommandError);
  assert.equal(isNoted('bad.mjs'), false);
  await fillModuleCache(context(), [program('good.mjs', '')]);
  assert.equal(isNoted('good.mjs'), true);
});

test('each program is loaded once for every version, whichever others are asked for with it', async (t) => {
  const { moduleCache, program, context } = emptyCache(t);
  const [one, two] = ['one', 'two'].map((name) =>
    program(
      `${name}.mjs`,
      `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(join(moduleCache, 'loads'))}, '${name} ');`,
    ),
  ) as [string, string];
  await fillModuleCache(context(), [one]);
  await fillModuleCache(context(), [one, two]);
  await fillModuleCache(context(), [one]);
  await fillModuleCache(context('2'), [one]);
  assert.equal(readFileSync(join(moduleCache, 'loads'), 'utf8'), 'one two one ');
});

/** A program of two modules with types, and what it prints when it is run with `cache`. */
function typedProgram(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-typed-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, code: string) => writeFileSync(join(folder, name), code);
  write('package.json', '{"type": "module"}');
  write('main.ts', "import { word } from './word.ts';\nconsole.log(word as string);\n");
  const cache = join(folder, 'cache');
  const print = (env: NodeJS.ProcessEnv = { WHERRY_STRIPPED_MODULES: cache }) => {
    const { stdout, stderr } = spawnSync(process.execPath, [...nodeFlags, join(folder, 'main.ts')], {
      env,
      encoding: 'utf8',
    });
    return { stdout, stderr };
  };
  return { folder, cache, write, print };
}

test('modules come from the cache without their types, and anew when they have changed', (t) => {
  const { folder, cache, write, print } = typedProgram(t);
  write('word.ts', "export const word: string = 'one';\n");
  assert.equal(print().stdout, 'one\n');
  const [kept] = readdirSync(cache).filter((name) => name.startsWith('word.ts'));
  assert.match(readFileSync(join(cache, kept!), 'utf8'), /^export const word {9}= 'one';\n/);

  // What runs is what is kept.
  const { mtimeMs } = statSync(join(folder, 'word.ts'));
  const keptText = readFileSync(join(cache, kept!), 'utf8');
  writeFileSync(join(cache, kept!), keptText.replace("'one'", "'kept'"));
  assert.equal(print().stdout, 'kept\n');

  write('word.ts', "export const word: string = 'two';\n");
  utimesSync(join(folder, 'word.ts'), new Date(), new Date(mtimeMs + 1000));
  assert.equal(print().stdout, 'two\n');
});

test('errors name the lines of the sources', (t) => {
  const { write, print } = typedProgram(t);
  write(
    'word.ts',
    "interface Word { text: string }\nexport const word: Word = fail();\nfunction fail(): Word {\n  throw new Error('here');\n}\n",
  );
  for (const _ of ['stripped', 'from the cache'])
    assert.match(print().stderr, /at fail \(.*\/word\.ts:4:9\)/);
});

test('a program runs without a cache, and with one that cannot be written', (t) => {
  const { folder, write, print } = typedProgram(t);
  write('word.ts', "export const word: string = 'one';\n");
  assert.equal(print({}).stdout, 'one\n');
  writeFileSync(join(folder, 'file'), '');
  const { stdout, stderr } = print({ WHERRY_STRIPPED_MODULES: join(folder, 'file', 'below') });
  assert.equal(stdout, 'one\n');
  assert.equal(stderr.match(/stripped modules cannot be kept/g)?.length, 1);
});
