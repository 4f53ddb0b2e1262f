import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createListeningServer } from '../http/listener.fixture.ts';
import type { ApiServerOptions } from '../server-options.ts';

async function pages(options: Partial<ApiServerOptions> = {}) {
  const listening = await createListeningServer(options);
  const send = await listening.as('admin', ['system:masters']);
  return {
    async read(path: string, accept: string) {
      const { status, headers, body } = await send('GET', path, { accept });
      return { status, headers, text: body.toString() };
    },
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  };
}

test('/statusz shows what runs, since when, and where to find more', async () => {
  await using server = await pages();
  const { status, text } = await server.read('/statusz', '*/*');
  assert.equal(status, 200);
  assert.match(text, /^\napiserver statusz\nWarning: This endpoint is not meant to be machine parseable/);
  assert.match(text, /\nStarted: \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d UTC \d{4}\nUp: 0 hr 00 min \d\d sec\n/);
  const paths = ['/flagz', '/healthz', '/livez', '/metrics', '/readyz', '/statusz', '/version'];
  assert.ok(text.endsWith(`\nEmulation version: 1.36\nPaths: ${paths.join(' ')}\n`), text);
  const object = await server.read('/statusz', 'application/json;v=v1beta1;g=config.k8s.io;as=Statusz');
  assert.equal(object.headers['content-type'], 'application/json;g=config.k8s.io;v=v1beta1;as=Statusz');
  const { apiVersion, binaryVersion, paths: listed } = JSON.parse(object.text);
  assert.equal(apiVersion, 'config.k8s.io/v1beta1');
  assert.match(binaryVersion, /^1\.36\.\d+$/);
  assert.deepEqual(listed, paths);
});

test('/flagz shows the settings under upstream’s names', async () => {
  await using server = await pages({ serviceCidr: '10.1.0.0/16', requestTimeoutMs: 30_000 });
  const { text } = await server.read('/flagz', 'text/plain');
  assert.match(text, /\nrequest-timeout=30s\n/);
  const old = await server.read('/flagz', 'application/json;v=v1alpha1;g=config.k8s.io;as=Flagz');
  assert.match(String(old.headers.warning), /This version of the flagz endpoint is deprecated/);
  const { kind, flags } = JSON.parse(old.text);
  assert.equal(kind, 'Flagz');
  assert.equal(flags['service-cluster-ip-range'], '10.1.0.0/16');
  assert.equal(flags['authorization-mode'], '[Node,RBAC]');
});

test('a client of the objects names their version', async () => {
  await using server = await pages();
  const wrong = 'application/json;v=v1beta1;g=config.k8s.io;as=Flagz';
  for (const accept of ['application/json', 'text/html', wrong]) {
    const { status, text } = await server.read('/statusz', accept);
    assert.equal(status, 406);
    assert.match(JSON.parse(text).message, /application\/json, application\/yaml, text\/plain$/);
  }
});
