import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenKeyPair } from '../../base/x509/pki.ts';
import { createTestServer } from '../server.fixture.ts';

const label = 'kubernetes.io/legacy-token-last-used';
const inDefault = '/api/v1/namespaces/default';
const tracking =
  '/api/v1/namespaces/kube-system/configmaps/kube-apiserver-legacy-service-account-token-tracking';
const dayMs = 86_400_000;

test('on a Secret it is noted, by the day, when the token in it was last used', async () => {
  await using server = await createTestServer({
    security: { serviceAccountKeys: await createTokenKeyPair() },
  });
  const { clock, api } = server;
  const today = () => new Date(clock.now()).toISOString().slice(0, 10);
  await server.ask('POST', `${inDefault}/serviceaccounts`, { metadata: { name: 'bot' } });
  const account = await server.ask('GET', `${inDefault}/serviceaccounts/bot`);
  const { uid } = account.object.metadata;
  const token = api.serviceAccounts!.issueForSecret('default', 's', { name: 'bot', uid });
  await server.ask('POST', `${inDefault}/secrets`, {
    metadata: { name: 's', annotations: { 'kubernetes.io/service-account.name': 'bot' } },
    type: 'kubernetes.io/service-account-token',
    stringData: { token },
  });
  const secret = async () => (await server.ask('GET', `${inDefault}/secrets/s`)).object;
  const show = async () => {
    const review = await server.ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      spec: { token },
    });
    await clock.advance(10);
    return review.object.status.authenticated;
  };
  assert.equal((await secret()).metadata.labels, undefined);
  assert.equal(await show(), true);
  assert.deepEqual((await secret()).metadata.labels, { [label]: today() });
  const { resourceVersion } = (await secret()).metadata;
  await show();
  assert.equal((await secret()).metadata.resourceVersion, resourceVersion);
  await clock.advance(dayMs);
  await show();
  assert.deepEqual((await secret()).metadata.labels, { [label]: today() });
  // One that another server has noted, whose clock is ahead.
  const tomorrow = new Date(clock.now() + dayMs).toISOString().slice(0, 10);
  const labels = {
    [label]: tomorrow,
    'kubernetes.io/legacy-token-invalid-since': '2020-01-01',
  };
  await server.ask(
    'PATCH',
    `${inDefault}/secrets/s`,
    { metadata: { labels } },
    'application/merge-patch+json',
  );
  assert.notEqual(await show(), true);
  assert.equal((await secret()).metadata.labels[label], tomorrow);
});

test('a ConfigMap tells since when uses of tokens are noted, and comes back', async () => {
  await using server = await createTestServer();
  const since = async () => (await server.ask('GET', tracking)).object.data?.since;
  const first = await since();
  assert.equal(first, new Date(server.clock.now()).toISOString().slice(0, 10));
  await server.clock.advance(2 * dayMs);
  assert.equal(await since(), first);
  const later = () => new Date(server.clock.now()).toISOString().slice(0, 10);
  await server.ask('PATCH', tracking, { data: { since: 'always' } }, 'application/merge-patch+json');
  await server.clock.advance(60_000);
  assert.equal(await since(), later());
  await server.ask('DELETE', tracking);
  await server.clock.advance(60_000);
  assert.equal(await since(), later());
});
