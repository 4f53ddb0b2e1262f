import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMap, configMaps, createTestServer, type TestServer } from './server.fixture.ts';

async function statuses(server: TestServer, requests: readonly string[]): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const request of requests) {
    const [method, path] = request.split(' ') as ['GET' | 'POST' | 'PUT' | 'DELETE', string];
    found[request] = (await server.ask(method, path)).status;
  }
  return found;
}

test("paths of upstream's router are served for GET alone", async () => {
  await using server = await createTestServer();
  const requests = ['POST /version', 'DELETE /api', 'POST /api/v1', 'PUT /apis/apps/v1'];
  assert.deepEqual(
    await statuses(server, requests),
    Object.fromEntries(requests.map((request) => [request, 405])),
  );
  // What answers here does not look at the method.
  assert.deepEqual(await statuses(server, ['POST /apis', 'POST /apis/apps', 'PUT /livez/ping']), {
    'POST /apis': 200,
    'POST /apis/apps': 200,
    'PUT /livez/ping': 200,
  });
});

test('the old paths of watches delete nothing', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('kept'));
  const old = '/api/v1/watch/namespaces/default/configmaps';
  assert.deepEqual(
    await statuses(server, [`DELETE ${old}`, `DELETE ${old}/kept`, `GET ${configMaps}/kept`]),
    {
      [`DELETE ${old}`]: 405,
      [`DELETE ${old}/kept`]: 405,
      [`GET ${configMaps}/kept`]: 200,
    },
  );
});

test('an empty namespace lists all of them, and takes nothing', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('one'));
  const { status, object } = await server.ask('GET', '/api/v1/namespaces//configmaps');
  assert.equal(status, 200);
  assert.ok(object.items.some(({ metadata }: { metadata: { name: string } }) => metadata.name === 'one'));
  const all = await server.ask('POST', '/api/v1/configmaps', configMap('two'));
  assert.equal(all.status, 405);
});

test('bindings have neither names nor a list over all namespaces', async () => {
  await using server = await createTestServer();
  const requests = ['GET /api/v1/bindings', 'PUT /api/v1/namespaces/default/bindings/x'];
  assert.deepEqual(await statuses(server, requests), { [requests[0]!]: 404, [requests[1]!]: 404 });
  assert.deepEqual(await statuses(server, ['GET /api/v1/namespaces/default/pods/x/binding']), {
    'GET /api/v1/namespaces/default/pods/x/binding': 405,
  });
});
