/** Learns how many pods the controllers of a budget's pods want: from the caches, or by their scale subresource. */
import { type OwnerReference, parseApiVersion } from '../../api/meta.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type { Scale } from '../../api/types/autoscaling-v1.gen.ts';
import type { APIResourceList } from '../../api/types/meta-v1.gen.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { groupVersionPath } from '../../client/transport/request-path.ts';
import {
  type ControllerScale,
  cachedScale,
  controllersOf,
  type ExpectedScale,
  scalableName,
  totalScale,
  type UnknownScale,
} from './disruption-scale-plan.ts';

export async function expectedScale(
  cluster: ReconcileCluster,
  namespace: string,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<ExpectedScale | UnknownScale> {
  const { controllers, unmanaged } = controllersOf(pods);
  const learn = async ({ reference }: (typeof controllers)[number]) =>
    cachedScale(namespace, reference, (type, key) => cluster.get(type, key)) ??
    (await askScale(cluster, namespace, reference, signal));
  const found = await Promise.all(controllers.map(async (of) => ({ of, scale: await learn(of) })));
  const total = totalScale(found);
  return typeof total === 'number' ? { replicas: total, unmanaged } : total;
}

async function askScale(
  { client }: ReconcileCluster,
  namespace: string,
  reference: OwnerReference,
  signal: AbortSignal,
): Promise<ControllerScale | UnknownScale | undefined> {
  const { group, version } = parseApiVersion(reference.apiVersion);
  const path = groupVersionPath({ group, version });
  const list = await client.raw<APIResourceList>('GET', path, undefined, signal).catch(undefinedIfNotFound);
  const name = scalableName(list, reference);
  if (typeof name !== 'string') return name;
  const at = `${path}/namespaces/${namespace}/${name}/${reference.name}/scale`;
  const scale = await client.raw<Scale>('GET', at, undefined, signal).catch(undefinedIfNotFound);
  if (scale?.metadata.uid !== reference.uid) return undefined;
  return { uid: reference.uid, replicas: scale.spec?.replicas ?? 0 };
}
