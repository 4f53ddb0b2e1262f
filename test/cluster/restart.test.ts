import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Event, Pod } from '../../src/api/resources.gen.ts';
import { createCluster } from './cluster.ts';

test('a container that restarts for another image is not reported between its end and its start', async () => {
  await using cluster = await createCluster({ nodes: 1 });
  const { client } = cluster;
  const at = { namespace: 'default', name: 'p' };
  const spec = { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'busybox:1' }] };
  await client.create(Pod, { metadata: at, spec });
  // The other image is there already.
  const other = { containers: [{ name: 'c', image: 'busybox:2' }] };
  await client.create(Pod, { metadata: { ...at, name: 'other' }, spec: other });
  const ready = ({ status }: Pod) => status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  for (const name of ['p', 'other'])
    await cluster.until(async () => ready(await client.get(Pod, { ...at, name })) === 'True');
  const seen = new Set<string>();
  const stop = new AbortController();
  const watching = (async () => {
    const { resourceVersion } = (await client.get(Pod, at)).metadata;
    for await (const event of client.watch(Pod, { namespace: 'default', resourceVersion }, stop.signal))
      if (event.type === 'MODIFIED' && event.object.metadata.name === 'p')
        seen.add(
          `${ready(event.object)} ${Object.keys(event.object.status?.containerStatuses?.[0]?.state ?? {})}`,
        );
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  await client.patch(
    Pod,
    at,
    { spec: { containers: [{ name: 'c', image: 'busybox:2' }] } },
    { type: 'strategic' },
  );
  await cluster.until(
    async () => (await client.get(Pod, at)).status?.containerStatuses?.[0]?.restartCount === 1,
  );
  stop.abort();
  await watching;
  assert.deepEqual([...seen], ['True running']);
});

test('a container that restarts for an image that must be pulled is not seen to have ended, which would be for good', async () => {
  await using cluster = await createCluster({ nodes: 1 });
  const { client } = cluster;
  const at = { namespace: 'default', name: 'p' };
  const spec = { restartPolicy: 'Never' as const, containers: [{ name: 'c', image: 'busybox:1' }] };
  await client.create(Pod, { metadata: at, spec });
  const statusOf = async () => (await client.get(Pod, at)).status?.containerStatuses?.[0];
  await cluster.until(async () => (await statusOf())?.state?.running !== undefined);
  const other = { spec: { containers: [{ name: 'c', image: 'busybox:2' }] } };
  await client.patch(Pod, at, other, { type: 'strategic' });
  await cluster.until(async () => (await statusOf())?.restartCount === 1);
  const { state, lastState } = (await statusOf())!;
  assert.deepEqual(
    [state, lastState].map((one) => Object.keys(one ?? {})),
    [['running'], ['terminated']],
  );
});

test('a container that fails its liveness probe restarts at once, and is held back only when that continues', async () => {
  await using cluster = await createCluster({ nodes: 1, behaviour: () => ({ healthy: false }) });
  const { client } = cluster;
  const at = { namespace: 'default', name: 'p' };
  const livenessProbe = { tcpSocket: { port: 80 }, periodSeconds: 1, failureThreshold: 1 };
  await client.create(Pod, {
    metadata: at,
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'c', image: 'busybox:1', livenessProbe }],
    },
  });
  const restarts = async () => (await client.get(Pod, at)).status?.containerStatuses?.[0]?.restartCount ?? 0;
  const isHeldBack = async () =>
    (await client.list(Event, { namespace: 'default' })).items.some(({ reason }) => reason === 'BackOff');
  await cluster.until(isHeldBack);
  assert.equal(await restarts(), 2);
});

test('a container whose postStart hook fails is stopped as others are, with its preStop hook', async () => {
  await using cluster = await createCluster({ nodes: 1, behaviour: () => ({ healthy: false }) });
  const { client } = cluster;
  const at = { namespace: 'default', name: 'p' };
  const hook = { exec: { command: ['do'] } };
  const lifecycle = { postStart: hook, preStop: hook };
  await client.create(Pod, {
    metadata: at,
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'busybox:1', lifecycle }] },
  });
  const recorded = async () =>
    (await client.list(Event, { namespace: 'default' })).items.map(
      ({ reason, message }) => `${reason} ${message}`,
    );
  await cluster.until(async () => (await recorded()).includes('FailedPreStopHook PreStopHook failed'));
  const events = await recorded();
  assert.ok(events.includes('FailedPostStartHook PostStartHook failed'));
  assert.ok(events.includes('Killing FailedPostStartHook'));
});
