/** What an eviction leaves in the status of a pod that has not gone yet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, mergePatch } from '../../server.fixture.ts';

const pods = '/api/v1/namespaces/default/pods';

/** A server with a running pod on a node, which a finalizer keeps there. */
async function serverWithPod() {
  const server = await createTestServer();
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  await server.ask('POST', pods, {
    metadata: { name: 'p', finalizers: ['example.com/keep'] },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
  });
  const { object } = await server.ask(
    'PATCH',
    `${pods}/p/status`,
    { status: { phase: 'Running' } },
    mergePatch,
  );
  return { server, version: object.metadata.resourceVersion as string };
}

const evict = { metadata: { name: 'p' } };

test('an evicted pod says that it goes by an eviction', async () => {
  const { server } = await serverWithPod();
  await using _ = server;
  assert.equal((await server.ask('POST', `${pods}/p/eviction`, evict)).status, 201);
  const { metadata, status } = (await server.ask('GET', `${pods}/p`)).object;
  assert.ok(metadata.deletionTimestamp);
  const { lastTransitionTime, ...condition } = status.conditions[0];
  assert.match(lastTransitionTime, /Z$/);
  assert.deepEqual(condition, {
    type: 'DisruptionTarget',
    status: 'True',
    lastProbeTime: null,
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  });
});

test('an eviction that is only tried leaves the pod as it is', async () => {
  const { server, version } = await serverWithPod();
  await using _ = server;
  assert.equal((await server.ask('POST', `${pods}/p/eviction?dryRun=All`, evict)).status, 201);
  assert.equal((await server.ask('GET', `${pods}/p`)).object.metadata.resourceVersion, version);
});

test('an eviction of one version of a pod takes that version only', async () => {
  const { server, version } = await serverWithPod();
  await using _ = server;
  const evictVersion = (resourceVersion: string) =>
    server.ask('POST', `${pods}/p/eviction`, {
      ...evict,
      deleteOptions: { preconditions: { resourceVersion } },
    });
  assert.equal((await evictVersion('1')).status, 409);
  assert.equal((await server.ask('GET', `${pods}/p`)).object.metadata.resourceVersion, version);
  assert.equal((await evictVersion(version)).status, 201);
  assert.ok((await server.ask('GET', `${pods}/p`)).object.metadata.deletionTimestamp);
});
