import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { applyPatchType, configMaps, createTestServer, type TestServer } from '../../server.fixture.ts';

suite('what is applied and cannot be', () => {
  let server: TestServer;
  before(async () => {
    server = await createTestServer();
  });
  after(() => server[Symbol.asyncDispose]());

  const apply = async (path: string, body: object) => {
    const { status, object } = await server.ask('PATCH', `${path}?fieldManager=a`, body, applyPatchType);
    return [status, object.reason, object.message];
  };

  test('a value that cannot be read is told of with the form that has been found to be right', async () => {
    const what = '(default/s; /v1, Kind=Secret)';
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: 'default' } };
    assert.deepEqual(
      await apply('/api/v1/namespaces/default/secrets/s', { ...secret, data: { a: 'ab?=' } }),
      [
        500,
        undefined,
        `failed to convert new object ${what} to proper version: unable to convert unstructured object to /v1, Kind=Secret: error decoding from json: illegal base64 data at input byte 2`,
      ],
    );
    const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q', namespace: 'default' } };
    const [, , message] = await apply('/api/v1/namespaces/default/resourcequotas/q', {
      ...quota,
      spec: { hard: { pods: 'many' } },
    });
    assert.match(
      message,
      /to convert unstructured object to \/v1, Kind=ResourceQuota: quantities must match/,
    );
  });

  test('what is wrong with the form comes before an object that should be there', async () => {
    const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', uid: 'x' } };
    assert.match(
      (await apply(`${configMaps}/a`, { ...config, other: 1 }))[2],
      /\.other: field not declared in schema$/,
    );
    assert.deepEqual((await apply(`${configMaps}/a`, config)).slice(0, 2), [409, 'Conflict']);
  });
});
