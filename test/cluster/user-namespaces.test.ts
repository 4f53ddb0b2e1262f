import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event, Pod, RuntimeClass } from '../../src/api/resources.gen.ts';
import { createCluster } from './cluster.ts';

const at = (name: string) => ({ namespace: 'default', name });
const isolated = (name: string, spec: object = {}) => ({
  metadata: at(name),
  spec: { hostUsers: false, containers: [{ name: 'c', image: 'busybox' }], ...spec },
});

test('pods that do not share the users of their node run with ids of their own', async () => {
  await using cluster = await createCluster();
  const { client, nodes } = cluster;
  for (const name of ['a', 'b']) await client.create(Pod, isolated(name));
  await client.create(Pod, {
    metadata: at('shared'),
    spec: { containers: [{ name: 'c', image: 'busybox' }] },
  });
  const isRunning = async (name: string) => (await client.get(Pod, at(name))).status?.phase === 'Running';
  await cluster.until(async () => (await Promise.all(['a', 'b', 'shared'].map(isRunning))).every(Boolean));

  const runtime = nodes[0]!.runtime!;
  const usersOf = async (name: string) => {
    const [sandbox] = (await runtime.listPodSandboxes()).filter(({ metadata }) => metadata.name === name);
    const { linux } = await runtime.podSandboxStatus(sandbox!.id);
    return linux?.namespaces?.options?.usernsOptions;
  };
  const [a, b] = [await usersOf('a'), await usersOf('b')];
  assert.equal(a?.mode, 'POD');
  assert.deepEqual(a.uids, a.gids);
  assert.equal(a.uids?.[0]?.length, 65_536);
  assert.notEqual(a.uids[0].hostId, b?.uids?.[0]?.hostId);
  assert.deepEqual(await usersOf('shared'), { mode: 'NODE' });
});

test('a handler that does not offer users of their own to pods is refused with the reason', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(RuntimeClass, { metadata: { name: 'other' }, handler: 'other' });
  await client.create(Pod, isolated('p', { runtimeClassName: 'other' }));
  const failures = async () =>
    (await client.list(Event, { namespace: 'default' })).items.filter(
      ({ reason }) => reason === 'FailedCreatePodSandBox',
    );
  await cluster.until(async () => (await failures()).length > 0);
  const [{ message } = {}] = await failures();
  assert.equal(
    message,
    'Failed to create pod sandbox: can\'t set `spec.hostUsers: false`, RuntimeClass handler "other" does not support user namespaces: the handler "other" is not known',
  );
});
