import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import {
  applyPatchType,
  configMap,
  configMaps,
  createTestServer,
  jsonPatch,
  mergePatch,
  type TestServer,
} from '../../server.fixture.ts';

suite('patches and identity', () => {
  let server: TestServer;
  const strategic = 'application/strategic-merge-patch+json';
  const url = `${configMaps}/a`;

  before(async () => {
    server = await createTestServer();
    await server.ask('POST', configMaps, configMap('a', { x: '1' }, { l: '1' }));
  });
  after(() => server[Symbol.asyncDispose]());

  const unnamed = 'the name of the object (a based on URL) was undeterminable: name must be provided';
  const refused: [string, object, number, string][] = [
    ['takes its metadata away', { metadata: null }, 400, unnamed],
    [
      'names another',
      { metadata: { name: 'b' } },
      400,
      'the name of the object (b) does not match the name on the URL (a)',
    ],
    [
      'moves it',
      { metadata: { namespace: 'other' } },
      400,
      'the namespace of the provided object does not match the namespace sent on the request',
    ],
    [
      'makes it another',
      { metadata: { uid: 'u' } },
      422,
      'ConfigMap "a" is invalid: metadata.uid: Invalid value: "u": field is immutable',
    ],
  ];

  for (const [what, patch, status, message] of refused)
    for (const type of [mergePatch, strategic])
      test(`a patch that ${what} is refused (${type})`, async () => {
        const answer = await server.ask('PATCH', url, patch, type);
        assert.deepEqual([answer.status, answer.object.message], [status, message]);
        const { object } = await server.ask('GET', url);
        assert.deepEqual(object.metadata.labels, { l: '1' });
      });

  test('an applied object bears the name of its path', async () => {
    const config = (metadata: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata });
    const apply = (path: string, metadata: object) =>
      server.ask('PATCH', `${path}?fieldManager=m`, config(metadata), applyPatchType);
    assert.equal((await apply(url, { name: 'b' })).status, 400);
    assert.equal((await apply(`${configMaps}/new`, {})).status, 400);
    assert.equal((await apply(url, { name: 'a', uid: 'u' })).status, 422);
  });

  test('kind and version in a strategic merge patch say nothing', async () => {
    const answer = await server.ask(
      'PATCH',
      url,
      { kind: 'Pod', apiVersion: 'v2', data: { y: '2' } },
      strategic,
    );
    assert.deepEqual([answer.status, answer.object.kind, answer.object.data.y], [200, 'ConfigMap', '2']);
  });

  test('what another patch says of kind and version is taken as upstream takes it', async () => {
    const said = async (patch: object, query = '') => {
      const { status, object } = await server.ask('PATCH', url + query, patch, mergePatch);
      return [status, object.message?.replace(/Invalid value: ".*": /, '')];
    };
    const invalid = (why: string) => [422, ` "" is invalid: patch: ${why}`];
    assert.deepEqual(await said({ kind: null }), [200, undefined]);
    assert.deepEqual(await said({ kind: '' }), [200, undefined]);
    assert.deepEqual(await said({ apiVersion: null }), [400, unnamed]);
    assert.deepEqual(
      await said({ apiVersion: null, zz: 1 }, '?fieldValidation=Strict'),
      invalid('strict decoding error: unknown field "data", unknown field "metadata", unknown field "zz"'),
    );
    assert.deepEqual(
      await said({ kind: 'Pod' }),
      invalid('converting (v1.Pod) to (core.ConfigMap): unknown conversion'),
    );
    assert.deepEqual(
      await said({ kind: 'Frob' }),
      invalid('no kind "Frob" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"'),
    );
    assert.deepEqual(
      await said({ kind: 1 }),
      invalid(
        "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string",
      ),
    );
  });

  test('a JSON patch may make another document, which has to be an object of the kind', async () => {
    const replaced = async (value: unknown) => {
      const operations = [{ op: 'replace', path: '', value }];
      const { status, object } = await server.ask('PATCH', url, operations, jsonPatch);
      return [status, object.message];
    };
    const [status, message] = await replaced([1]);
    assert.equal(status, 422);
    assert.match(message, /json: cannot unmarshal array into Go value of type struct \{ APIVersion string/);
    assert.deepEqual(await replaced({ apiVersion: 'v1' }), [400, unnamed]);
    const kept = { apiVersion: 'v1', metadata: { name: 'a', labels: { l: '1' } }, data: { x: '1' } };
    assert.deepEqual(await replaced(kept), [200, undefined]);
  });

  test('operations of a JSON patch are read in Go’s words', async () => {
    const said = async (operations: unknown) => {
      const { status, object } = await server.ask('PATCH', url, operations, jsonPatch);
      return [status, object.message];
    };
    const unreadable = (why: string) => [400, `error decoding patch: json: cannot unmarshal ${why}`];
    assert.deepEqual(
      await said([{ op: 1 }]),
      unreadable('number into Go struct field jsonPatchOp.op of type string'),
    );
    assert.deepEqual(
      await said([{ op: 'copy', from: {}, path: '/a' }]),
      unreadable('object into Go struct field jsonPatchOp.from of type string'),
    );
    assert.deepEqual(await said(['x']), unreadable('string into Go value of type handlers.jsonPatchOp'));
    assert.equal((await said([null]))[0], 422);
    assert.equal((await said([{ op: 'copy', from: '/data/none', path: '/data/copied' }]))[0], 200);
    assert.equal((await server.ask('GET', url)).object.data.copied, '');
  });

  test('whole numbers of a strategic merge patch are cut to the bits of their field', async () => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    const labels = { app: 'x' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    await server.ask('POST', deployments, {
      metadata: { name: 'd' },
      spec: { selector: { matchLabels: labels }, template },
    });
    const patched = async (replicas: number | bigint, type: string) =>
      await server.ask('PATCH', `${deployments}/d`, { spec: { replicas } }, type);
    assert.equal((await patched(2 ** 32 + 3, strategic)).object.spec.replicas, 3);
    assert.equal((await patched(2n ** 62n + 5n, strategic)).object.spec.replicas, 5);
    assert.equal((await patched(1e20, strategic)).object.spec.replicas, 0);
    assert.match(
      (await patched(2 ** 32, mergePatch)).object.message,
      /json: cannot unmarshal number 4294967296 into Go struct field DeploymentSpec.spec.replicas of type int32$/,
    );
  });

  test('wrong types are errors in the words of each format', async () => {
    const said = async (patch: object, type: string) =>
      (await server.ask('PATCH', url, patch, type)).object.message as string;
    assert.match(await said({ data: [] }, strategic), /: cannot restore map from slice$/);
    assert.match(await said({ data: { a: 1 } }, strategic), /: cannot convert int64 to string$/);
    assert.match(await said({ immutable: 'x' }, strategic), /: unrecognized type: bool$/);
    assert.match(await said({ data: { a: 1 } }, mergePatch), /json: cannot unmarshal number/);
  });

  test('a whole collection is neither patched nor replaced', async () => {
    for (const method of ['PATCH', 'PUT'] as const) {
      const { status, object } = await server.ask(method, configMaps, {}, mergePatch);
      assert.deepEqual([status, object.reason], [405, 'MethodNotAllowed']);
    }
  });

  test('a field manager is short and printable', async () => {
    const said = async (manager: string) => {
      const { status, object } = await server.ask('PATCH', `${url}?fieldManager=${manager}`, {}, mergePatch);
      return [status, object.details?.causes?.[0].message];
    };
    assert.deepEqual(await said('x'.repeat(129)), [422, 'Too long: may not be more than 128 bytes']);
    assert.deepEqual(await said('a%00'), [
      422,
      'Invalid value: "a\\x00": invalid character U+0000 (at position 1)',
    ]);
    assert.equal((await said('ümläut%20x'))[0], 200);
  });
});
