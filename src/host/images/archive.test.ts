import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fullImageName, writeImageArchive } from './archive.ts';
import { tarChunks } from './tar.ts';

test('short names of images become full ones as a container runtime makes them', () => {
  const rows = [
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.19', 'docker.io/library/nginx:1.19'],
    ['luksa/kubia', 'docker.io/luksa/kubia:latest'],
    ['registry.k8s.io/pause:3.9', 'registry.k8s.io/pause:3.9'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:1', 'localhost:5000/app:1'],
    ['nginx@sha256:00', 'docker.io/library/nginx@sha256:00'],
  ] as const;
  for (const [short, full] of rows) assert.equal(fullImageName(short), full);
});

test('tar reads what is written: files, folders, links, modes, and paths longer than a hundred bytes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-tar-'));
  try {
    const long = `${'deep/'.repeat(25)}file`;
    const chunks = tarChunks([
      { path: 'bin/', mode: 0o755 },
      { path: 'bin/tool', mode: 0o4755, content: Buffer.from('x'.repeat(1000)) },
      { path: 'bin/alias', mode: 0o777, symlink: '/bin/tool' },
      { path: long, mode: 0o600, content: Buffer.from('deep down') },
    ]);
    execFileSync('tar', ['-x', '-C', folder], { input: Buffer.concat([...chunks]) });
    assert.equal(readFileSync(join(folder, 'bin/tool'), 'utf8'), 'x'.repeat(1000));
    assert.equal(readFileSync(join(folder, long), 'utf8'), 'deep down');
    const list = execFileSync('ls', ['-l', join(folder, 'bin')], { encoding: 'utf8' });
    assert.match(list, /alias -> \/bin\/tool/);
    assert.match(list, /-rws?x?r-xr-x .* tool/);
    assert.throws(() => [...tarChunks([{ path: 'x'.repeat(101), mode: 0o644 }])], /too long/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an archive is an OCI layout whose digests hold, and the same content gives the same bytes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-archive-'));
  try {
    const image = {
      names: ['test.local/a:1', 'test.local/b:2'],
      config: { Cmd: ['/hello'] },
      files: [{ path: 'hello', mode: 0o755, content: Buffer.from('hello') }],
    };
    writeImageArchive(join(folder, 'one.tar'), image);
    writeImageArchive(join(folder, 'two.tar'), image);
    assert.deepEqual(readFileSync(join(folder, 'one.tar')), readFileSync(join(folder, 'two.tar')));
    execFileSync('tar', ['-x', '-C', folder, '-f', join(folder, 'one.tar')]);
    const blob = (digest: string) => {
      const content = readFileSync(join(folder, 'blobs', digest.replace(':', '/')));
      assert.equal(`sha256:${createHash('sha256').update(content).digest('hex')}`, digest);
      return content;
    };
    const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
    const names = index.manifests.map(
      (each: { annotations: Record<string, string> }) => each.annotations['io.containerd.image.name'],
    );
    assert.deepEqual(names, image.names);
    const manifest = JSON.parse(blob(index.manifests[0].digest).toString());
    const config = JSON.parse(blob(manifest.config.digest).toString());
    assert.deepEqual(config.config, image.config);
    assert.deepEqual(config.rootfs.diff_ids, [manifest.layers[0].digest]);
    assert.equal(blob(manifest.layers[0].digest).byteLength, manifest.layers[0].size);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
