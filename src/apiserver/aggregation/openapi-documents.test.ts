import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { createListeningServer, type Send } from '../http/listener.fixture.ts';
import { startAggregatedServer } from './aggregated-server.fixture.ts';
import { openApiUrlsIn } from './openapi-documents.ts';

// biome-ignore lint/suspicious/noExplicitAny: documents are looked into
type Document = any;

const flunders = '/apis/wardle.example.com/v1/namespaces/{namespace}/flunders';
const options = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

const openApiV2 = {
  swagger: '2.0',
  info: { title: 'Wardle', version: '1' },
  paths: {
    [flunders]: {
      get: {
        operationId: 'listFlunders',
        produces: ['application/json'],
        responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/wardle.Flunder' } } },
      },
      delete: {
        operationId: 'deleteFlunders',
        parameters: [{ name: 'body', in: 'body', schema: { $ref: `#/definitions/${options}` } }],
        consumes: ['application/json'],
        responses: { 200: { description: 'OK' } },
      },
    },
    '/apis/wardle.example.com/v2/flunders': {
      get: { responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/wardle.New' } } } },
    },
    '/apis/apps/v1/deployments': { get: { operationId: 'mine', responses: {} } },
  },
  definitions: {
    'wardle.Flunder': {
      type: 'object',
      description: 'A flunder of the zoo.',
      properties: { size: { type: 'integer', format: 'int32' } },
      'x-kubernetes-group-version-kind': [{ group: 'wardle.example.com', version: 'v1', kind: 'Flunder' }],
    },
    'wardle.New': { type: 'object' },
    [options]: { type: 'object', description: 'Of another time.' },
  },
};

/** Asks until the answer is as it should be. */
async function eventually(
  send: Send,
  path: string,
  isGood: (document: Document) => boolean,
): Promise<Document> {
  for (;;) {
    const { status, body } = await send('GET', path);
    const document = status === 200 ? JSON.parse(body.toString()) : undefined;
    if (document && isGood(document)) return document;
    await systemClock.sleep(50);
  }
}

test('a server that documents itself in OpenAPI 2 only is in both documents of this server', async () => {
  const asked: string[] = [];
  await using backend = await startAggregatedServer((request, response) => {
    asked.push(`${request.headers['x-remote-user']} ${request.url}`);
    const answer = request.url === '/openapi/v2' ? openApiV2 : { resources: [] };
    response
      .writeHead(request.url === '/openapi/v3' ? 404 : 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(answer));
  });
  await using listening = await createListeningServer({ dialService: backend.dialService });
  await backend.register(listening.server.ask);
  const send = await listening.as('admin', ['system:masters']);
  const before = (await send('GET', '/openapi/v2')).headers.etag;
  const v2 = await eventually(send, '/openapi/v2', ({ paths }) => flunders in paths);
  assert.notEqual((await send('GET', '/openapi/v2')).headers.etag, before);
  assert.ok(asked.includes('system:aggregator /openapi/v2'));
  assert.deepEqual(v2.definitions['wardle.Flunder'], openApiV2.definitions['wardle.Flunder']);
  assert.ok(!('/apis/wardle.example.com/v2/flunders' in v2.paths), 'no APIService is about that version');
  assert.ok(!('wardle.New' in v2.definitions));
  assert.notEqual(v2.paths['/apis/apps/v1/deployments']?.get?.operationId, 'mine');
  assert.notEqual(v2.definitions[options].description, 'Of another time.');
  const [body] = v2.paths[flunders].delete.parameters;
  assert.equal(body.schema.$ref, `#/definitions/${options}_v2`);
  assert.equal(v2.definitions[`${options}_v2`].description, 'Of another time.');

  const path = 'apis/wardle.example.com/v1';
  const { paths } = await eventually(send, '/openapi/v3', (index) => path in index.paths);
  const answer = await send('GET', paths[path].serverRelativeURL);
  assert.match(String(answer.headers['cache-control']), /immutable/);
  const v3 = JSON.parse(answer.body.toString());
  assert.equal(v3.openapi, '3.0.0');
  assert.deepEqual(v3.paths[flunders].get.responses[200].content['application/json'].schema, {
    $ref: '#/components/schemas/wardle.Flunder',
  });
  assert.ok(v3.components.schemas['wardle.Flunder']);
  const accept = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
  const encoded = await send('GET', '/openapi/v2', { accept });
  assert.ok(encoded.body.includes('A flunder of the zoo.'));
});

test('a server that documents itself in OpenAPI 3 is asked for it, and its document of OpenAPI 2 is merged', async () => {
  const place = '/openapi/v3/apis/wardle.example.com/v1?hash=ABC';
  const index = { paths: { 'apis/wardle.example.com/v1': { serverRelativeURL: place } } };
  await using backend = await startAggregatedServer((request, response) => {
    const answers: Record<string, unknown> = {
      '/openapi/v2': openApiV2,
      '/openapi/v3': index,
      [place]: { openapi: '3.0.0', info: { title: 'its own' } },
    };
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify(answers[request.url!] ?? { resources: [] }));
  });
  await using listening = await createListeningServer({ dialService: backend.dialService });
  await backend.register(listening.server.ask);
  const send = await listening.as('admin', ['system:masters']);
  const { paths } = await eventually(send, '/openapi/v3', (all) => 'apis/wardle.example.com/v1' in all.paths);
  assert.equal(paths['apis/wardle.example.com/v1'].serverRelativeURL, place);
  const own = JSON.parse((await send('GET', place)).body.toString());
  assert.equal(own.info.title, 'its own');
  await eventually(send, '/openapi/v2', (document) => flunders in document.paths);
  await listening.server.ask('DELETE', '/apis/apiregistration.k8s.io/v1/apiservices/v1.wardle.example.com');
  await eventually(send, '/openapi/v2', (document) => !(flunders in document.paths));
});

test('nonsense for documents is nobody’s loss', async () => {
  const nonsense = [
    '<html>',
    'null',
    '{"paths":1}',
    '{"paths":{"/apis/wardle.example.com/v1/x":{"get":{"tags":1}}}}',
  ];
  for (const text of nonsense) {
    let asked = 0;
    await using backend = await startAggregatedServer((request, response) => {
      const isDocument = request.url!.startsWith('/openapi/');
      if (request.url === '/openapi/v2') asked++;
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(isDocument ? text : '{"resources":[]}');
    });
    await using listening = await createListeningServer({ dialService: backend.dialService });
    await backend.register(listening.server.ask);
    const send = await listening.as('admin', ['system:masters']);
    while (asked === 0) await systemClock.sleep(20);
    for (const path of ['/openapi/v2', '/openapi/v3', '/openapi/v3/apis/apps/v1'])
      assert.equal((await send('GET', path)).status, 200, `${path} with ${text}`);
    assert.equal((await send('GET', '/apis/wardle.example.com/v1')).status, 200);
  }
});

test('only an index that names a place below all such documents is believed', () => {
  const path = 'apis/a.io/v1';
  const rows: [index: unknown, url: string | undefined][] = [
    [
      { paths: { [path]: { serverRelativeURL: '/openapi/v3/apis/a.io/v1?hash=1' } } },
      '/openapi/v3/apis/a.io/v1?hash=1',
    ],
    [{ paths: { [path]: { serverRelativeURL: 'https://elsewhere/openapi/v3/x' } } }, undefined],
    [{ paths: { [path]: { serverRelativeURL: 1 } } }, undefined],
    [{ paths: { [path]: null } }, undefined],
    [{ paths: {} }, undefined],
    [{}, undefined],
    [null, undefined],
    [[], undefined],
  ];
  const spec = { group: 'a.io', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 };
  for (const [index, url] of rows) assert.equal(openApiUrlsIn(JSON.stringify(index), spec).get(path), url);
  const elsewhere = { paths: { 'apis/b.io/v1': { serverRelativeURL: '/openapi/v3/apis/b.io/v1' } } };
  assert.equal(openApiUrlsIn(JSON.stringify(elsewhere), spec).size, 0, 'what others are asked for');
});
