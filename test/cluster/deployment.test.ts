import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import { Deployment, Event, Pod, ReplicaSet } from '../../src/api/resources.gen.ts';
import { createCluster } from './cluster.ts';

const namespace = 'default';

function deployment(name: string, replicas: number, image = 'web:1'): Draft<Deployment> {
  const labels = { app: name };
  return {
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } },
    },
  } as unknown as Draft<Deployment>;
}

test('a Deployment makes its pods, and tells of it', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Deployment, deployment('web', 3));
  await cluster.until(
    async () => (await client.get(Deployment, { name: 'web', namespace })).status?.availableReplicas === 3,
  );
  const pods = await client.list(Pod, { namespace });
  assert.equal(pods.items.length, 3);
  const sets = await client.list(ReplicaSet, { namespace });
  const name = sets.items[0]!.metadata.name;
  assert.match(name, /^web-[bcdfghjklmnpqrstvwxz2456789]+$/);
  const events = await client.list(Event, { namespace });
  const messages = events.items.map((event) => event.message);
  assert.ok(messages.includes(`Scaled up replica set ${name} from 0 to 3`), messages.join('\n'));
});
