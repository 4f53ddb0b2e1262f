import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createListeningServer } from '../http/listener.fixture.ts';
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

test('an object is validated in the version that the client speaks', async () => {
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

test('a version that is deprecated says so, whether it is stored or not, by its own words if it has some', async () => {
  await using listening = await createListeningServer();
  const { server } = listening;
  const send = await listening.as('admin', ['system:masters']);
  const any = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const versions = [
    { name: 'v1', served: true, storage: true, deprecated: true, schema: any },
    { name: 'v2', served: true, storage: false, deprecated: true, schema: any },
    { name: 'v1beta1', served: true, storage: false, deprecated: true, schema: any },
    { name: 'v1beta2', served: true, storage: false, schema: any },
    {
      ...{ name: 'v3', served: true, storage: false, deprecated: true, schema: any },
      deprecationWarning: 'closed',
    },
  ];
  const definition = customResourceDefinition('shops', versions);
  await server.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  const path = (version: string) => `/apis/example.com/${version}/shops`;
  for (const [version, warning] of [
    ['v1', '299 - "example.com/v1 Shop is deprecated"'],
    ['v2', '299 - "example.com/v2 Shop is deprecated"'],
    ['v1beta1', '299 - "example.com/v1beta1 Shop is deprecated; use example.com/v1beta2 Shop"'],
    ['v3', '299 - "closed"'],
  ] as const) {
    let answer = await send('GET', path(version));
    for (const end = Date.now() + 5_000; answer.status !== 200 && Date.now() < end; ) {
      await new Promise((resolve) => setImmediate(resolve));
      answer = await send('GET', path(version));
    }
    assert.equal(answer.headers.warning, warning);
  }
});

function customResourceDefinition(plural: string, versions: readonly object[]) {
  return {
    metadata: { name: `${plural}.example.com` },
    spec: {
      group: 'example.com',
      scope: 'Cluster',
      names: { plural, singular: 'shop', kind: 'Shop', listKind: 'ShopList' },
      versions,
    },
  };
}
