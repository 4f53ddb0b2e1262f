import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../server.fixture.ts';
import { serveShops } from './shops.fixture.ts';

const version = (name: string, storage: boolean, property: object, rule: string) => ({
  name,
  served: true,
  storage,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: { size: property },
      'x-kubernetes-validations': [{ rule }],
    },
  },
});

test('an object is judged by the version that the client speaks', async () => {
  await using server = await createTestServer();
  const shops = await serveShops(server, [
    version('v1', true, { type: 'integer' }, 'self.size != 1'),
    version('v2', false, { type: 'integer', minimum: 5 }, 'self.size != 7'),
  ]);
  const make = async (name: string, size: number) =>
    await server.ask('POST', shops(name), {
      apiVersion: `example.com/${name}`,
      kind: 'Shop',
      metadata: { name: `${name}-${size}` },
      size,
    });
  assert.equal((await make('v1', 3)).status, 201);
  assert.match((await make('v1', 1)).object.message, /failed rule: self.size != 1/);
  assert.match((await make('v2', 3)).object.message, /size: Invalid value: 3: .*greater than or equal to 5/);
  assert.match((await make('v2', 7)).object.message, /failed rule: self.size != 7/);
  const { object } = await server.ask('GET', `${shops('v2')}/v1-3`);
  const { status } = await server.ask('PUT', `${shops('v2')}/v1-3`, { ...object, size: 4 });
  assert.equal(status, 422);
});
