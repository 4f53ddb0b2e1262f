import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../../server.fixture.ts';

const namespace = '/api/v1/namespaces/default';
const refusals: [what: string, path: string, body: object, code: number, message: string][] = [
  ['no name', 'bindings', { target: { name: 'n' } }, 400, 'Name parameter required.'],
  [
    'no name within that of a pod',
    'pods/a/binding',
    { target: { name: 'n' } },
    400,
    'name in URL does not match name in Binding object',
  ],
  [
    'another name than that of its pod',
    'pods/a/binding',
    { metadata: { name: 'b' }, target: { name: 'n' } },
    400,
    'name in URL does not match name in Binding object',
  ],
  ['no target', 'bindings', { metadata: { name: 'a' } }, 500, 'target.name: Required value'],
  [
    'a target that is no node',
    'pods/a/binding',
    { metadata: { name: 'a' }, target: { kind: 'Pod' } },
    500,
    '[target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>", target.name: Required value]',
  ],
  [
    'a pod that is not there',
    'bindings',
    { metadata: { name: 'a' }, target: { name: 'n' } },
    404,
    'pods "a" not found',
  ],
];

for (const [what, path, body, code, message] of refusals)
  test(`a binding with ${what} is refused as upstream refuses it`, async () => {
    await using server = await createTestServer();
    const { status, object } = await server.ask('POST', `${namespace}/${path}`, body);
    assert.deepEqual([status, object.message], [code, message]);
  });

test('nobody owns the node that a binding gives to a pod', async () => {
  await using server = await createTestServer();
  await server.ask('POST', `${namespace}/serviceaccounts`, { metadata: { name: 'default' } });
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  await server.ask('POST', `${namespace}/pods`, { metadata: { name: 'a' }, spec });
  const binding = { metadata: { name: 'a' }, target: { kind: 'Node', name: 'n' } };
  const bound = await server.ask('POST', `${namespace}/pods/a/binding`, binding);
  assert.equal(bound.status, 201, bound.object.message);
  const { object } = await server.ask('GET', `${namespace}/pods/a`);
  assert.equal(object.spec.nodeName, 'n');
  assert.equal(object.metadata.managedFields.length, 1);
  assert.equal(object.metadata.managedFields[0].fieldsV1['f:spec']['f:nodeName'], undefined);
});
