import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, type TestServer } from '../../server.fixture.ts';

const inDefault = '/api/v1/namespaces/default';
const containers = [{ name: 'c', image: 'i' }];
const secretEnv = (name: string) => [{ name: 'E', valueFrom: { secretKeyRef: { name, key: 'k' } } }];

/** Whose account `default` allows pods the secret `listed` alone, said as `enforce`. */
async function withEnforcingAccount(enforce: string): Promise<TestServer> {
  const server = await createTestServer();
  await server.ask('POST', `${inDefault}/serviceaccounts`, {
    metadata: { name: 'default', annotations: { 'kubernetes.io/enforce-mountable-secrets': enforce } },
    secrets: [{ name: 'listed' }],
  });
  return server;
}

const because = 'because service account default does not reference that';

test('a pod uses only the secrets of its account where that is enforced, in its debuggers as well', async () => {
  await using server = await withEnforcingAccount('1');
  const create = (name: string, spec: object) =>
    server.ask('POST', `${inDefault}/pods`, { metadata: { name }, spec: { containers, ...spec } });
  const rows: [spec: object, why: string][] = [
    [
      { volumes: [{ name: 'v', secret: { secretName: 'x' } }] },
      `volume with secret.secretName="x" is not allowed ${because} secret`,
    ],
    [
      { containers: [{ name: 'c', image: 'i', env: secretEnv('x') }] },
      `container c with envVar E referencing secret.secretName="x" is not allowed ${because} secret`,
    ],
    [
      { initContainers: [{ name: 'n', image: 'i', envFrom: [{ secretRef: { name: 'x' } }] }] },
      `init container n with envFrom referencing secret.secretName="x" is not allowed ${because} secret`,
    ],
    [
      { imagePullSecrets: [{ name: 'x' }] },
      `imagePullSecrets[0].name="x" is not allowed ${because} imagePullSecret`,
    ],
  ];
  for (const [spec, why] of rows)
    assert.equal((await create('p', spec)).object.message, `pods "p" is forbidden: ${why}`);
  const listed = { containers: [{ name: 'c', image: 'i', env: secretEnv('listed') }] };
  assert.equal((await create('p', listed)).status, 201);
  const debug = (secret: string) =>
    server.ask(
      'PATCH',
      `${inDefault}/pods/p/ephemeralcontainers`,
      { spec: { ephemeralContainers: [{ name: 'd', image: 'i', env: secretEnv(secret) }] } },
      'application/strategic-merge-patch+json',
    );
  assert.equal(
    (await debug('x')).object.message,
    `pods "p" is forbidden: ephemeral container d with envVar E referencing secret.secretName="x" is not allowed ${because} secret`,
  );
  assert.equal((await debug('listed')).status, 200);
});

test('an account whose annotation does not say yes enforces nothing', async () => {
  await using server = await withEnforcingAccount('yes');
  const spec = { containers: [{ name: 'c', image: 'i', env: secretEnv('x') }] };
  const { status } = await server.ask('POST', `${inDefault}/pods`, { metadata: { name: 'p' }, spec });
  assert.equal(status, 201);
});

test('a mirror pod refers to no secret, in whatever way', async () => {
  await using server = await createTestServer();
  const mirror = { name: 'm', annotations: { 'kubernetes.io/config.mirror': 'x' } };
  for (const spec of [
    { volumes: [{ name: 'v', secret: { secretName: 's' } }] },
    { volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 's' } }] } }] },
    { containers: [{ name: 'c', image: 'i', env: secretEnv('s') }] },
    { imagePullSecrets: [{ name: 's' }] },
  ]) {
    const body = { metadata: mirror, spec: { nodeName: 'n', containers, ...spec } };
    const { object } = await server.ask('POST', `${inDefault}/pods`, body);
    assert.equal(object.message, 'pods "m" is forbidden: a mirror pod may not reference secrets');
  }
});
