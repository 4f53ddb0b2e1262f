import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, mergePatch } from '../server.fixture.ts';

const schemaOf = (spec: object, required: string[] = []) => ({
  openAPIV3Schema: {
    type: 'object',
    properties: { spec: { type: 'object', properties: spec, ...(required.length > 0 && { required }) } },
  },
});
const text = { type: 'string' };

test('without a conversion, a version shows what it knows, and what the stored one does not know is not kept', async () => {
  await using server = await createTestServer();
  const group = 'example.com';
  const definition = {
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: schemaOf({ both: text, one: text, first: { ...text, default: '1' } }),
        },
        {
          name: 'v2',
          served: true,
          storage: false,
          schema: schemaOf({ both: text, two: text, second: { ...text, default: '2' } }, ['both', 'two']),
        },
      ],
    },
  };
  const url = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  assert.equal((await server.ask('POST', url, definition)).status, 201);
  const widgets = (version: string) => `/apis/${group}/${version}/namespaces/default/widgets`;
  const widget = (version: string, name: string, spec: object) => ({
    apiVersion: `${group}/${version}`,
    kind: 'Widget',
    metadata: { name },
    spec,
  });
  const specOf = async (version: string, name: string) =>
    (await server.ask('GET', `${widgets(version)}/${name}`)).object.spec;

  const made = await server.ask('POST', widgets('v2'), widget('v2', 'a', { both: 'x', two: 'y' }));
  assert.equal(made.status, 201, JSON.stringify(made.object));
  assert.deepEqual(made.object.spec, { both: 'x' });
  assert.deepEqual(await specOf('v2', 'a'), { both: 'x' });
  assert.deepEqual(await specOf('v1', 'a'), { both: 'x', first: '1' });

  await server.ask('POST', widgets('v1'), widget('v1', 'b', { both: 'x', one: 'y' }));
  assert.deepEqual(
    await specOf('v2', 'b'),
    { both: 'x' },
    'there are no defaults but those of the stored version',
  );
  const refused = await server.ask('PATCH', `${widgets('v2')}/b`, { spec: { both: 'z' } }, mergePatch);
  assert.equal(refused.status, 422, 'the object is validated in the version of the request');
  const patched = await server.ask(
    'PATCH',
    `${widgets('v2')}/b`,
    { spec: { both: 'z', two: 't' } },
    mergePatch,
  );
  assert.deepEqual(patched.object.spec, { both: 'z' });
  assert.deepEqual(await specOf('v1', 'b'), { both: 'z', first: '1' }, 'what v2 does not know is lost');
  const { items } = (await server.ask('GET', widgets('v2'))).object;
  assert.deepEqual(
    items.map(({ spec }: { spec: object }) => spec),
    [{ both: 'x' }, { both: 'z' }],
  );
});
