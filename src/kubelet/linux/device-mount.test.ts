import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { growFileSystem, mountDevice } from './device-mount.ts';
import { unmountBelow } from './mounts.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-device-'));
const loops: string[] = [];
after(async () => {
  await unmountBelow(folder);
  for (const loop of loops) execFileSync('losetup', ['-d', loop]);
  rmSync(folder, { recursive: true });
});

/** Undefined when the machine has none left. */
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

/** Whether this process has the capability CAP_SYS_RESOURCE, which is bit 24. */
function mayUseReserves(): boolean {
  const effective = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
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

test('a file system grows to the size that its device has got, while it is mounted', async (t) => {
  if (!mayUseReserves()) return t.skip('the kernel asks for CAP_SYS_RESOURCE');
  const device = loopDevice('grown');
  if (!device) return t.skip('no loop device');
  const target = join(folder, 'grown.mount');
  await mountDevice({ device, target, fsType: 'ext4', options: [] });
  const sizeMi = () => {
    const { blocks, bsize } = statfsSync(target);
    return (blocks * bsize) / 1024 ** 2;
  };
  assert.ok(sizeMi() < 16);
  truncateSync(join(folder, 'grown'), 32 * 1024 ** 2);
  execFileSync('losetup', ['-c', device]);
  await growFileSystem(device, target);
  assert.ok(sizeMi() > 20, `${sizeMi()} Mi`);
});
