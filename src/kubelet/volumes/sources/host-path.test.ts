import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { prepareHostPath } from './host-path.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-host-path-'));
after(() => rmSync(folder, { recursive: true }));

test('a hostPath is checked by its type', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  mkdirSync(join(folder, 'dir'));
  await prepareHostPath(join(folder, 'dir'), 'Directory');
  await prepareHostPath(join(folder, 'made'), 'DirectoryOrCreate');
  await prepareHostPath(join(folder, 'dir/file'), 'FileOrCreate');
  assert.ok(statSync(join(folder, 'dir/file')).isFile());
  await assert.rejects(prepareHostPath('/no/such/file', 'FileOrCreate'), {
    message: 'open /no/such/file: no such file or directory',
  });
  await assert.rejects(prepareHostPath(join(folder, 'dir'), 'FileOrCreate'), /dir is not a file$/);
  await assert.rejects(prepareHostPath('/dev/null', 'BlockDevice'), /is not a block device$/);
  await prepareHostPath('/dev/null', 'CharDevice');
  await assert.rejects(prepareHostPath('/no/such/dir', 'Directory'), {
    message: 'hostPath type check failed: /no/such/dir is not a directory',
  });
  await assert.rejects(prepareHostPath(file, 'Socket'), /is not a socket file/);
});
