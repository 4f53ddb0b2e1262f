import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { forgetLoadedImage, keepMirror, noteLoadedImages, startMirror } from './mirror.ts';

suite('the mirror of images that were loaded from files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-mirror-'));
  const loadedFile = join(folder, 'loaded.json');
  const nodesFolder = join(folder, 'nodes');
  const blobs = join(nodesFolder, 'n1/var-lib/containerd/io.containerd.content.v1.content/blobs/sha256');
  const store = (content: string) => {
    const hex = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(blobs, hex), content);
    return `sha256:${hex}`;
  };
  let base = '';
  let close: () => void;
  let manifest = '';
  let layer = '';
  let secret = '';

  before(async () => {
    mkdirSync(blobs, { recursive: true });
    layer = store('a layer');
    secret = store('a layer of an image that took a password');
    const config = store('{}');
    manifest = store(
      JSON.stringify({ config: { digest: config, size: 2 }, layers: [{ digest: layer, size: 7 }] }),
    );
    await noteLoadedImages(loadedFile, nodesFolder, new Map([['docker.io/library/nginx:latest', manifest]]));
    const server = await startMirror({
      host: '127.0.0.1',
      port: 0,
      nodesFolder,
      loadedFile,
      logger: silentLogger,
    });
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    close = () => server.close();
  });
  after(() => {
    close();
    rmSync(folder, { recursive: true });
  });

  test('a loaded image is found by tag, then by digest, with its layers', async () => {
    const tagged = await fetch(`${base}/v2/library/nginx/manifests/latest?ns=docker.io`, { method: 'HEAD' });
    assert.equal(tagged.headers.get('docker-content-digest'), manifest);
    assert.equal(tagged.headers.get('content-type'), 'application/vnd.oci.image.manifest.v1+json');
    assert.equal((await fetch(`${base}/v2/library/nginx/manifests/${manifest}?ns=docker.io`)).status, 200);
    assert.equal(
      await (await fetch(`${base}/v2/library/nginx/blobs/${layer}?ns=docker.io`)).text(),
      'a layer',
    );
  });

  test('content that was not loaded, or belongs to another image, is not served', async () => {
    for (const path of [
      'library/nginx/manifests/1.0?ns=docker.io',
      'library/nginx/manifests/latest?ns=quay.io',
      `library/nginx/blobs/${secret}?ns=docker.io`,
      'library/nginx/blobs/sha256:../../etc/passwd?ns=docker.io',
      '../../../etc/passwd',
    ])
      assert.equal((await fetch(`${base}/v2/${path}`)).status, 404, path);
    assert.equal((await fetch(`${base}/v2/library/nginx/blobs/${layer}`, { method: 'PUT' })).status, 404);
  });

  test('images that are loaded at the same time are all noted', async () => {
    const names = Array.from({ length: 5 }, (_, index) => `docker.io/library/image-${index}:latest`);
    await Promise.all(
      names.map((name) => noteLoadedImages(loadedFile, nodesFolder, new Map([[name, manifest]]))),
    );
    for (const index of names.keys())
      assert.equal((await fetch(`${base}/v2/library/image-${index}/manifests/latest`)).status, 200);
    for (const name of names) await forgetLoadedImage(loadedFile, name);
  });

  test('an image that was removed is no longer served', async () => {
    await forgetLoadedImage(loadedFile, 'docker.io/library/nginx:latest');
    assert.equal((await fetch(`${base}/v2/library/nginx/manifests/latest?ns=docker.io`)).status, 404);
    assert.equal((await fetch(`${base}/v2/library/nginx/blobs/${layer}?ns=docker.io`)).status, 404);
  });
});

test('a mirror whose port is taken comes when it is free, and goes with its signal', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-mirror-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const clock = new VirtualClock();
  const warned = Promise.withResolvers<void>();
  const logger = { ...silentLogger, warn: () => warned.resolve() };
  const stop = new AbortController();
  const options = { host: '127.0.0.1', port, nodesFolder: folder, loadedFile: join(folder, 'l'), logger };
  const kept = keepMirror(options, { clock, signal: stop.signal });
  await warned.promise;
  other.close();
  await once(other, 'close');
  const ask = () => fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined);
  let answer = await ask();
  while (!answer) {
    await clock.advance(5_000);
    answer = await ask();
  }
  assert.equal(await answer.text(), '{}');
  stop.abort();
  await kept;
});
