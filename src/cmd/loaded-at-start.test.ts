/** What programs load when they start: what most never need takes neither their memory nor their time. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Prints the modules of the process, Node's own among them, when it ends. */
const listing = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module';
const loaded = [];
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
process.on('exit', () => console.log(JSON.stringify([...loaded, ...process.moduleLoadList])));
`)}`;

/** Ends when all modules are loaded and the configuration is not found. */
function loadedBy(program: string): string[] {
  const script = fileURLToPath(new URL(program, import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', listing, script, '/no/configuration'], {
    encoding: 'utf8',
  });
  assert.match(stderr, /ENOENT.*\/no\/configuration/);
  return JSON.parse(stdout) as string[];
}

for (const [program, needed, unneeded] of [
  [
    './server.ts',
    ['apiserver/server.ts'],
    ['undici', '@grpc/grpc-js', 'protobufjs', '@peculiar/x509', '/node_modules/yaml/', 'kubelet/'],
  ],
  [
    './agent.ts',
    ['kubelet/kubelet.ts'],
    [
      'undici',
      '@peculiar/x509',
      '/node_modules/yaml/',
      'src/apiserver/',
      'src/controllers/',
      'src/scheduler/',
    ],
  ],
] as const)
  test(`${program} starts without ${unneeded.join(', ')}`, () => {
    const loaded = loadedBy(program);
    for (const part of needed)
      assert.ok(
        loaded.some((module) => module.includes(part)),
        part,
      );
    for (const part of unneeded)
      assert.deepEqual(
        loaded.filter((module) => module.includes(part)),
        [],
      );
  });

/** A command line answers at once: what one command needs, the others do not wait for. */
test('the command line loads what its command needs, and no more', () => {
  const script = fileURLToPath(new URL('./wherry.ts', import.meta.url));
  const modulesOf = (...args: string[]) => {
    const { stdout } = spawnSync(process.execPath, ['--import', listing, script, ...args], {
      encoding: 'utf8',
    });
    const loaded = JSON.parse(stdout.trim().split('\n').at(-1)!) as string[];
    return loaded.filter((module) => module.startsWith('file:'));
  };
  const version = modulesOf('version');
  assert.ok(version.some((module) => module.endsWith('/commands/version.ts')));
  assert.deepEqual(
    version.filter((module) => module.includes('/node_modules/') || module.includes('/src/host/images/')),
    [],
  );
  const images = modulesOf('image', 'list', '--name', 'none-such');
  assert.deepEqual(
    images.filter((module) => module.includes('/node_modules/')),
    [],
  );
});
