import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../server.fixture.ts';
import { serveShops } from './shops.fixture.ts';

const version = (name: string, properties: readonly string[], storage: boolean) => ({
  name,
  served: true,
  storage,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: Object.fromEntries(properties.map((property) => [property, { type: 'string' }])),
    },
  },
  selectableFields: properties.map((property) => ({ jsonPath: `.${property}` })),
});

test('every version of a custom resource has its own fields to select by', async () => {
  await using server = await createTestServer();
  const shops = await serveShops(server, [
    version('v1', ['street'], true),
    version('v2', ['street', 'city'], false),
  ]);
  const shop = { apiVersion: 'example.com/v2', kind: 'Shop' };
  for (const name of ['a', 'b'])
    await server.ask('POST', shops('v2'), { ...shop, metadata: { name }, street: 'main' });
  const select = async (name: string, selector: string) => {
    const { object } = await server.ask('GET', `${shops(name)}?fieldSelector=${selector}`);
    return (
      object.items?.map(({ metadata }: { metadata: { name: string } }) => metadata.name) ?? object.message
    );
  };
  assert.deepEqual(await select('v1', 'street=main'), ['a', 'b']);
  assert.deepEqual(await select('v2', 'street=main,city=,metadata.name=b'), ['b']);
  assert.equal(await select('v1', 'city=x'), 'field label not supported: city');
});
