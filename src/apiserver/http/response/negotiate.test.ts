import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps, createTestServer } from '../../server.fixture.ts';
import { type NegotiationLimits, negotiate, parseAccept } from './negotiate.ts';

const order = (accept: string) => parseAccept(accept).map(({ type }) => type);

test('media types are chosen by preference, and named ones before wildcards', () => {
  assert.deepEqual(order('application/json;q=0.5, application/yaml'), [
    'application/yaml',
    'application/json',
  ]);
  assert.deepEqual(order('*/*, application/yaml'), ['application/yaml', '*/*']);
  assert.deepEqual(order('application/*, application/yaml, *'), ['application/yaml', 'application/*', '*/*']);
  assert.deepEqual(order('nonsense, a/b/c, application/json'), ['application/json']);
  // Beside a wildcard it depends on the order, as it does upstream.
  assert.deepEqual(order('*/*, application/yaml;q=0.1'), ['application/yaml', '*/*']);
  assert.deepEqual(order('application/yaml;q=0.1, */*'), ['*/*', 'application/yaml']);
});

const table = 'as=Table;g=meta.k8s.io;v=v1';
const cases: [accept: string, limits: NegotiationLimits, media: string | undefined, as?: string][] = [
  ['application/*', {}, 'json'],
  ['application/yaml;charset=utf-8', {}, 'yaml'],
  ['application/vnd.kubernetes.protobuf, application/json', { noProtobuf: true }, 'json'],
  [`application/json;${table}`, {}, 'json', 'Table'],
  [`application/yaml;${table}`, {}, 'yaml', 'Table'],
  [`application/vnd.kubernetes.protobuf;${table}, application/json`, {}, 'json'],
  [`application/json;${table}`, { noTables: true }, undefined],
  ['application/json;g=meta.k8s.io;v=v1', {}, undefined],
  ['application/json;as=Table;g=meta.k8s.io;v=v2, application/yaml', {}, 'yaml'],
  ['application/json;stream=watch', {}, 'json'],
  ['application/yaml;stream=watch, application/json', {}, 'json'],
  ['application/json;sv=v1', {}, undefined],
  ['text/html, */*;q=0.1', {}, 'json'],
  ['text/plain', {}, undefined],
];

for (const [accept, limits, media, as] of cases)
  test(`${accept} with ${JSON.stringify(limits)} is answered in ${as ?? ''}${media ?? 'nothing'}`, () => {
    if (!media) return assert.throws(() => negotiate(accept, limits), { code: 406 });
    const { media: found, as: form } = negotiate(accept, limits);
    assert.deepEqual([found, form], [media, as]);
  });

test('nothing is written whose answer the client could not read', async () => {
  await using server = await createTestServer();
  const send = async (method: 'POST' | 'DELETE', path: string, body?: object) => {
    const answer = await server.transport.send({ method, path, ...(body && { body }), accept: 'text/plain' });
    return answer.status;
  };
  assert.equal(await send('POST', configMaps, { metadata: { name: 'a' } }), 406);
  assert.equal((await server.ask('GET', `${configMaps}/a`)).status, 404);
  await server.ask('POST', configMaps, { metadata: { name: 'a' } });
  assert.equal(await send('DELETE', `${configMaps}/a`), 406);
  assert.equal((await server.ask('GET', `${configMaps}/a`)).status, 200);
});
