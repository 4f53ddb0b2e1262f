/**
 * Where `npm start`, `npm test` and the like begin, with whatever Node the machine has (20 or newer): brings the npm
 * packages, among them the Node that Wherry is pinned to, and lets that one do the work.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stamp = join(modules, '.wherry-installed');
const isWindows = process.platform === 'win32';

/** Kept in sync with the lock file: an install is repeated when that has changed. */
function needsInstall() {
  if (!existsSync(join(modules, '.package-lock.json'))) return true;
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  if (existsSync(stamp)) return readFileSync(stamp, 'utf8') !== digest(lock);
  // Installed by hand with npm: good enough when it is newer than the lock file.
  return (
    statSync(join(modules, '.package-lock.json')).mtimeMs <
    statSync(join(root, 'package-lock.json')).mtimeMs - 1000
  );
}

function digest(text) {
  let hash = 5381;
  for (let index = 0; index < text.length; index++) hash = (hash * 33 + text.charCodeAt(index)) % 2 ** 48;
  return hash.toString(36);
}

function install() {
  console.log(' … npm packages');
  const startMs = Date.now();
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    encoding: 'utf8',
    shell: isWindows,
  });
  if (done.status !== 0) {
    const isNpmMissing = done.error?.code === 'ENOENT';
    if (!isNpmMissing) console.error(done.error?.message ?? `${done.stdout}${done.stderr}`.trim());
    console.error(`\nerror: the npm packages cannot be installed${isNpmMissing ? ': there is no npm' : ''}`);
    const cure = isNpmMissing
      ? 'install npm (on Debian: apt-get install npm)'
      : 'check that "npm ping" answers (network, proxy, registry)';
    console.error(`what to do: ${cure}, then run the command again`);
    process.exit(1);
  }
  writeFileSync(stamp, digest(readFileSync(join(root, 'package-lock.json'), 'utf8')));
  console.log(` ✓ npm packages   ${((Date.now() - startMs) / 1000).toFixed(1)} s`);
}

/** The pinned Node; on systems that it is not packaged for, the Node at hand, if that runs TypeScript. */
function findNode() {
  const pinned = join(modules, '.bin', isWindows ? 'node.cmd' : 'node');
  const packaged = `node-${process.platform}-${process.arch}/bin/node`;
  // npm 9.2, which Debian 12 and 13 have, leaves out the links of optional packages.
  if (!existsSync(pinned) && existsSync(join(modules, packaged))) symlinkSync(`../${packaged}`, pinned);
  if (existsSync(pinned)) return pinned;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 2)) return process.execPath;
  console.error(
    `error: there is no packaged Node for ${process.platform} ${process.arch}, and this one (${process.version}) is too old`,
  );
  console.error('what to do: install Node 24.2 or newer, then run the command again');
  process.exit(1);
}

const [task = 'start', ...rest] = process.argv.slice(2);
if (needsInstall()) install();
const script = task === 'wherry' ? join(root, 'src/cmd/wherry.ts') : join(root, 'scripts/tasks.ts');
const args = task === 'wherry' ? rest : [task, ...rest];
const done = spawnSync(findNode(), [script, ...args], { stdio: 'inherit', shell: isWindows });
if (done.error) throw done.error;
process.exit(done.status ?? 1);
