import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import {
  applyPatchType,
  createTestServer,
  jsonPatch,
  mergePatch,
  type TestServer,
} from '../server.fixture.ts';
import { serveShops } from './shops.fixture.ts';

suite('patches of custom resources', () => {
  const text = { type: 'string' };
  const spec = {
    type: 'object',
    properties: {
      a: text,
      list: { type: 'array', items: { type: 'object', properties: { a: text, b: text } } },
    },
  };
  const openAPIV3Schema = { type: 'object', properties: { spec } };

  let server: TestServer;
  let shop: string;
  before(async () => {
    server = await createTestServer();
    const shops = await serveShops(server, [
      { name: 'v2', served: true, storage: true, schema: { openAPIV3Schema } },
    ]);
    const body = { apiVersion: 'example.com/v2', kind: 'Shop', metadata: { name: 's' }, spec: { a: 'x' } };
    await server.ask('POST', shops('v2'), body);
    shop = `${shops('v2')}/s`;
  });
  after(() => server[Symbol.asyncDispose]());

  test('a merge patch may have nulls within lists', async () => {
    const patch = { spec: { list: [{ a: 'x', b: null }] } };
    const { status, object } = await server.ask('PATCH', shop, patch, mergePatch);
    assert.equal(status, 200, object.message);
    assert.deepEqual(object.spec, { a: 'x', list: [{ a: 'x' }] });
  });

  test('a patch that makes unknown fields is refused, if it is to be strict, with what it makes', async () => {
    const patch = { spec: { z: '<', list: [{ c: 1 }] }, metadata: { labels: null } };
    const { status, object } = await server.ask('PATCH', `${shop}?fieldValidation=Strict`, patch, mergePatch);
    assert.equal(status, 422);
    assert.match(
      object.message,
      /^ "" is invalid: patch: Invalid value: "\{\\"apiVersion\\":\\"example.com\/v2\\",\\"kind\\":\\"Shop\\",\\"metadata\\":.*\\"spec\\":\{\\"a\\":\\"x\\",\\"list\\":\[\{\\"c\\":1\}\],\\"z\\":\\"\\\\u003c\\"\}\}": strict decoding error: unknown field "spec.list\[0\].c", unknown field "spec.z"$/,
    );
    const operations = [{ op: 'add', path: '/spec/z', value: 1 }];
    const answer = await server.ask('PATCH', `${shop}?fieldValidation=Strict`, operations, jsonPatch);
    assert.equal(answer.status, 422);
    assert.match(answer.object.message, /: strict decoding error: unknown field "spec.z"$/);
    const lenient = await server.ask('PATCH', `${shop}?fieldValidation=Ignore`, patch, mergePatch);
    assert.deepEqual([lenient.status, lenient.object.spec], [200, { a: 'x', list: [{}] }]);
  });

  test('a patch of a kind that is not known is refused with those that are', async () => {
    const { status, object } = await server.ask('PATCH', shop, {}, 'application/foo');
    assert.equal(status, 415);
    assert.match(
      object.message,
      /accepted media types include: application\/json-patch\+json, application\/merge-patch\+json, application\/apply-patch\+yaml$/,
    );
  });

  test('what is applied has nulls only where the schema allows them', async () => {
    const config = { apiVersion: 'example.com/v2', kind: 'Shop', metadata: { name: 'n' }, spec: { a: null } };
    const created = await server.ask('POST', `${shop.replace(/\/s$/, '')}?dryRun=All`, config);
    assert.deepEqual([created.status, created.object.spec], [201, {}]);
    const path = `${shop.replace(/s$/, 'n')}?fieldManager=me`;
    const { status, object } = await server.ask('PATCH', path, config, applyPatchType);
    assert.equal(status, 422);
    assert.match(
      object.message,
      /spec.a: Invalid value: "null": spec.a in body must be of type string: "null"$/,
    );
  });

  test('a patch that takes the version away is a failure to upstream', async () => {
    const { status, object } = await server.ask('PATCH', shop, { apiVersion: null }, mergePatch);
    const message = "Object 'apiVersion' is missing in 'object has no apiVersion field'";
    assert.deepEqual(
      [status, object.reason, object.message],
      [500, 'InternalError', `Internal error occurred: ${message}`],
    );
    assert.deepEqual(object.details.causes, [{ message }]);
  });

  test('a patch that makes metadata unreadable is refused with what it makes', async () => {
    const { status, object } = await server.ask('PATCH', shop, { metadata: { labels: 1 } }, mergePatch);
    assert.equal(status, 422);
    assert.match(
      object.message,
      /^ "" is invalid: patch: Invalid value: "\{\\"apiVersion.*cannot unmarshal number/,
    );
  });
});
