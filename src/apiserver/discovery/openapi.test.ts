import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { OpenApi } from './openapi.ts';

type Answer = {
  status: number;
  contentType: string;
  body: Uint8Array | string;
  headers?: Record<string, string>;
};
type Handler = (context: unknown) => Promise<Answer>;

function served() {
  const exact = new Map<string, Handler>();
  const prefixes = new Map<string, Handler>();
  const resource = {
    plural: 'configmaps',
    namespaced: true,
    kind: 'ConfigMap',
    verbs: new Set(['get', 'list', 'watch', 'create']),
    codec: {},
    definition: {},
  };
  const groups = [{ group: '', versions: [{ version: 'v1', resources: [{ resource, subresources: [] }] }] }];
  const others = {
    v2: [],
    urls: new Map([['apis/other.example.com/v1', '/openapi/v3/apis/other.example.com/v1?hash=1']]),
    converted: new Map(),
  };
  new OpenApi({ groups: () => groups as never, others: () => others }).register({
    addPath: (path: string, handler: Handler) => exact.set(path, handler),
    addPrefix: (path: string, handler: Handler) => prefixes.set(path, handler),
  } as never);
  return (path: string, headers: Record<string, string> = {}) => {
    const url = new URL(path, 'https://server');
    const handler = exact.get(url.pathname) ?? prefixes.get('/openapi/v3/')!;
    const request = { query: url.searchParams, header: (name: string) => headers[name] };
    return handler({ request, info: { path: url.pathname } });
  };
}

test('the index leads to a document that may be kept for good', async () => {
  const get = served();
  const { paths } = JSON.parse(String((await get('/openapi/v3')).body));
  const answer = await get(paths['api/v1'].serverRelativeURL, { 'accept-encoding': 'gzip' });
  assert.equal(answer.status, 200);
  assert.match(answer.headers?.['cache-control'] ?? '', /immutable/);
  assert.equal(answer.headers?.['content-encoding'], 'gzip');
  const document = JSON.parse(gunzipSync(answer.body).toString());
  assert.equal(document.openapi, '3.0.0');
  assert.ok(document.components.schemas['io.k8s.api.core.v1.ConfigMap']);
});

test('the index leads to the documents of other servers too', async () => {
  const { paths } = JSON.parse(String((await served()('/openapi/v3')).body));
  assert.deepEqual(paths['apis/other.example.com/v1'], {
    serverRelativeURL: '/openapi/v3/apis/other.example.com/v1?hash=1',
  });
});

test('a client that accepts neither form gets an empty answer that says so', async () => {
  const { status, body, contentType } = await served()('/openapi/v2', { accept: 'application/yaml' });
  assert.deepEqual([status, body, contentType], [406, '', '']);
});

test('an old hash leads to the document of today, and a known one to nothing new', async () => {
  const get = served();
  const old = await get('/openapi/v3/api/v1?hash=OLD');
  assert.equal(old.status, 301);
  const location = old.headers!.location!;
  const etag = (await get(location)).headers!.etag!;
  assert.equal((await get(location, { 'if-none-match': etag })).status, 304);
});

test('OpenAPI 2 comes in JSON and in protobuf, to old clients too', async () => {
  const get = served();
  assert.equal(JSON.parse(String((await get('/openapi/v2')).body)).swagger, '2.0');
  for (const version of ['v2@v1.0', 'v2.v1.0']) {
    const accept = `application/com.github.proto-openapi.spec.${version}+protobuf`;
    const answer = await get('/openapi/v2', { accept });
    assert.equal(answer.contentType, 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf');
    assert.equal((answer.body as Uint8Array)[0], 10);
  }
  const refused = await get('/openapi/v2', { accept: 'text/html' });
  assert.deepEqual([refused.status, refused.body], [406, '']);
});

test('OpenAPI 3 comes in protobuf to clients that ask for it, under the hash of its JSON form', async () => {
  const get = served();
  const { headers } = await get('/openapi/v3/api/v1');
  for (const version of ['v3@v1.0', 'v3.v1.0']) {
    const accept = `application/com.github.proto-openapi.spec.${version}+protobuf`;
    const answer = await get('/openapi/v3/api/v1', { accept });
    assert.equal(answer.contentType, 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf');
    assert.deepEqual(Buffer.from(answer.body as Uint8Array).subarray(0, 7), Buffer.from('\n\x053.0.0'));
    assert.equal(answer.headers?.etag, headers?.etag);
  }
  assert.equal((await get('/openapi/v3/api/v1', { accept: 'application/yaml' })).status, 406);
});

test('documents that are about no resource are led to and served', async () => {
  const get = served();
  const { paths } = JSON.parse(String((await get('/openapi/v3')).body));
  const answer = await get(paths.version.serverRelativeURL);
  assert.deepEqual(Object.keys(JSON.parse(String(answer.body)).paths), ['/version/']);
  assert.equal((await get('/openapi/v3/apis/none')).status, 404);
});

test('a group version that is not there is not found', async () => {
  const { status, body } = await served()('/openapi/v3/apis/none/v1');
  assert.deepEqual([status, body], [404, '']);
});
