import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import {
  applyPatchType,
  configMap,
  configMaps,
  createTestServer,
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
    assert.equal((await server.ask('PATCH', url, { kind: 'Pod' }, mergePatch)).status, 422);
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
