/** Volumes and claims for tests, and what the cluster says of them. */
import type { Draft } from '../../src/api/meta.ts';
import { Event, PersistentVolume, PersistentVolumeClaim } from '../../src/api/resources.gen.ts';
import type { Client } from '../../src/client/client.ts';
import type { Cluster } from './cluster.ts';

export const namespace = 'default';

export function volume(name: string, storage: string, more: object = {}): Draft<PersistentVolume> {
  return {
    metadata: { name },
    spec: {
      capacity: { storage },
      accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: `/tmp/${name}` },
      ...more,
    },
  } as Draft<PersistentVolume>;
}

export function claim(
  name: string,
  storage: string,
  storageClassName?: string,
  more: object = {},
): Draft<PersistentVolumeClaim> {
  return {
    metadata: { name, namespace },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage } },
      ...(storageClassName !== undefined && { storageClassName }),
      ...more,
    },
  } as Draft<PersistentVolumeClaim>;
}

export const phaseOf = async (client: Client, name: string) =>
  (await client.get(PersistentVolumeClaim, { name, namespace })).status?.phase;
export const volumePhase = async (client: Client, name: string) =>
  (await client.get(PersistentVolume, { name })).status?.phase;

export async function eventsOf(client: Client, name: string): Promise<string[]> {
  const { items } = await client.list(Event, { namespace });
  return items
    .filter((event) => event.involvedObject.name === name)
    .map(({ type, reason, message, source }) => `${type} ${reason} ${source?.component} ${message}`);
}

export async function bound(cluster: Cluster, name: string): Promise<void> {
  await cluster.until(async () => (await phaseOf(cluster.client, name)) === 'Bound');
}

/** How often it was reported that a volume could not be recycled. */
export async function failedRecycles(client: Client): Promise<number> {
  const { items } = await client.list(Event, { namespace });
  const failures = items.filter(({ reason }) => reason === 'VolumeFailedRecycle');
  return failures.reduce((sum, { count = 1 }) => sum + count, 0);
}
