import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mountDevice } from './device-mount.ts';
import { unmountBelow } from './mounts.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-device-'));
const loops: string[] = [];
after(async () => {
  await unmountBelow(folder);
  for (const loop of loops) execFileSync('losetup', ['-d', loop]);
  rmSync(folder, { recursive: true });
});

/** Undefined where the machine has none to give. */
function loopDevice(name: string): string | undefined {
  const image = join(folder, name);
  writeFileSync(image, '');
  truncateSync(image, 16 * 1024 ** 2);
  try {
    const loop = execFileSync('losetup', ['-f', '--show', image], { stdio: 'pipe' }).toString().trim();
    loops.push(loop);
    return loop;
  } catch {
    return undefined;
  }
}

test('a blank device is formatted once, mounted, and keeps what is on it', async (t) => {
  const device = loopDevice('blank');
  if (!device) return t.skip('no loop device');
  const mount = (at: string, fsType = 'ext4') =>
    mountDevice({ device, target: join(folder, at), fsType, options: [] });
  await mount('one');
  writeFileSync(join(folder, 'one/kept'), 'yes');
  await mount('two', '');
  assert.equal(readFileSync(join(folder, 'two/kept'), 'utf8'), 'yes');
  await assert.rejects(mount('three', 'xfs'), /it already contains ext4/);
});

test('a blank device of which no file system is named gets ext4', async (t) => {
  const device = loopDevice('unnamed');
  if (!device) return t.skip('no loop device');
  await mountDevice({ device, target: join(folder, 'unnamed-at'), fsType: '', options: [] });
  assert.match(readFileSync('/proc/mounts', 'utf8'), new RegExp(`${device} ${folder}/unnamed-at ext4`));
});
