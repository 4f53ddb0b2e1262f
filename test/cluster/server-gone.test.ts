/**
 * A node whose server is gone for an hour: its pods live on as their specs say, and everything is reported when the
 * server is back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pod } from '../../src/api/resources.gen.ts';
import type { PodSpec } from '../../src/api/types/core-v1.gen.ts';
import { createCluster } from './cluster.ts';

const namespace = 'default';
const hourMs = 3_600_000;
/** A node that is heard of again says everything within this time. */
const toldMs = 15_000;

const pods: Record<string, { script: string; spec?: Partial<PodSpec> }> = {
  steady: { script: 'sleep 100000' },
  crashes: { script: 'sleep 5; exit 7' },
  finishes: { script: 'sleep 1200', spec: { restartPolicy: 'Never' } },
  fails: { script: 'sleep 1800; exit 3', spec: { restartPolicy: 'Never' } },
  'too-long': { script: 'sleep 100000', spec: { activeDeadlineSeconds: 2400 } },
};

test('a server that is gone for an hour stops no pod, and hears of all that happened as soon as it is back', async () => {
  await using cluster = await createCluster({ nodes: 1 });
  const { client, clock } = cluster;
  const get = (name: string) => client.get(Pod, { namespace, name });
  for (const [name, { script, spec }] of Object.entries(pods))
    await client.create(Pod, {
      metadata: { name, namespace },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'c', image: 'busybox:1', command: ['sh', '-c', script] }],
        ...spec,
      },
    });
  for (const name of Object.keys(pods))
    await cluster.until(async () => (await get(name)).status?.phase === 'Running');
  const { containerID } = (await get('steady')).status!.containerStatuses![0]!;

  await cluster.stopControllers();
  const [node] = cluster.nodes;
  node!.isSilent = true;
  await clock.advance(hourMs);
  assert.equal((await get('finishes')).status?.phase, 'Running');
  node!.isSilent = false;
  cluster.startControllers();

  const phase = async (name: string) => (await get(name)).status?.phase;
  await cluster.until(async () => (await phase('finishes')) === 'Succeeded', toldMs);
  await cluster.until(async () => (await phase('fails')) === 'Failed', toldMs);
  assert.equal((await get('fails')).status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3);
  await cluster.until(async () => (await phase('too-long')) === 'Failed', toldMs);
  assert.equal((await get('too-long')).status?.reason, 'DeadlineExceeded');
  // At 10, 20, 40, 80 and 160 s, then every five minutes.
  const restarts = (await get('crashes')).status?.containerStatuses?.[0]?.restartCount ?? 0;
  assert.ok(restarts >= 14 && restarts <= 18, `${restarts} restarts`);
  const [steady] = (await get('steady')).status!.containerStatuses!;
  assert.deepEqual([steady?.containerID, steady?.restartCount, steady?.ready], [containerID, 0, true]);
});
