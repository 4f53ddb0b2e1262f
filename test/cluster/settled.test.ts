import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  PodDisruptionBudget,
  ResourceQuota,
  Service,
  StatefulSet,
} from '../../src/api/resources.gen.ts';
import type { Transport } from '../../src/client/transport/transport.ts';
import { createCluster } from './cluster.ts';
import { daemonSetOf, deploymentOf, jobOf, statefulSetOf } from './workloads.ts';

const namespace = 'default';

test('a settled cluster writes nothing but leases and rare heartbeats', async () => {
  const writes: string[] = [];
  let isSettled = false;
  const noteWrites = (transport: Transport): Transport => ({
    send(request) {
      if (isSettled && request.method !== 'GET')
        writes.push(`${request.method} ${request.path.split('?')[0]}`);
      return transport.send(request);
    },
    close: () => transport.close(),
  });
  await using cluster = await createCluster({
    nodes: 2,
    wrapTransport: noteWrites,
    wrapNodeTransport: noteWrites,
  });
  const { client, clock } = cluster;
  await client.create(Deployment, deploymentOf('web', 3));
  await client.create(StatefulSet, statefulSetOf('db', 2));
  await client.create(DaemonSet, daemonSetOf('agent'));
  await client.create(Job, jobOf('work', 'sleep 1', { completions: 2 }));
  const selector = { app: 'web' };
  await client.create(Service, {
    metadata: { name: 'web', namespace },
    spec: { selector, ports: [{ port: 80 }] },
  } as Draft<Service>);
  await client.create(PodDisruptionBudget, {
    metadata: { name: 'web', namespace },
    spec: { minAvailable: 1, selector: { matchLabels: selector } },
  } as Draft<PodDisruptionBudget>);
  await client.create(ResourceQuota, {
    metadata: { name: 'all', namespace },
    spec: { hard: { pods: '50' } },
  } as Draft<ResourceQuota>);
  const jobTemplate = { spec: jobOf('x', 'sleep 1').spec };
  await client.create(CronJob, {
    metadata: { name: 'yearly', namespace },
    spec: { schedule: '@yearly', jobTemplate },
  } as Draft<CronJob>);
  await clock.advance(120_000);
  isSettled = true;
  await clock.advance(600_000);
  const ofNodes = ['node1', 'node2'].map((name) => `PATCH /api/v1/nodes/${name}/status`);
  assert.deepEqual(
    writes.filter((write) => !write.includes('/leases') && !ofNodes.includes(write)),
    [],
  );
  for (const heartbeat of ofNodes)
    assert.ok(writes.filter((write) => write === heartbeat).length <= 2, 'a heartbeat every five minutes');
});
