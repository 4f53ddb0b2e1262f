/** How many pods the controllers of a budget's pods want in total. */
import { controllerOf, type OwnerReference, parseApiVersion } from '../../api/meta.ts';
import {
  Deployment,
  type Pod,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type { Scale } from '../../api/types/autoscaling-v1.gen.ts';
import type { APIResourceList } from '../../api/types/meta-v1.gen.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { groupVersionPath } from '../../client/transport/request-path.ts';

/** A controller that cannot be queried: its budget allows nothing until its pods change. */
export class UnknownScale extends Error {}

export interface ExpectedScale {
  replicas: number;
  /** Pods without a controller, which do not count. */
  unmanaged: string[];
}

interface Found {
  uid: string;
  replicas: number;
}

/** Each controller counts once. @throws UnknownScale */
export async function expectedScale(
  cluster: ReconcileCluster,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<ExpectedScale> {
  const seen = new Map<string, number>();
  const unmanaged: string[] = [];
  for (const pod of pods) {
    const reference = controllerOf(pod);
    if (!reference) unmanaged.push(pod.metadata.name);
    if (!reference || seen.has(reference.uid)) continue;
    const namespace = pod.metadata.namespace ?? '';
    const found =
      knownScale(cluster, namespace, reference) ?? (await askScale(cluster, namespace, reference, signal));
    if (!found) throw new UnknownScale(`found no controllers for pod "${pod.metadata.name}"`);
    seen.set(reference.uid, 0);
    seen.set(found.uid, found.replicas);
  }
  return { replicas: [...seen.values()].reduce((total, replicas) => total + replicas, 0), unmanaged };
}

/** The sizes of the usual kinds come from the caches. */
function knownScale(
  cluster: ReconcileCluster,
  namespace: string,
  reference: OwnerReference,
): Found | undefined {
  const key = `${namespace}/${reference.name}`;
  const kind = `${parseApiVersion(reference.apiVersion).group}/${reference.kind}`;
  if (kind === 'apps/ReplicaSet') {
    const rs = cluster.get(ReplicaSet, key);
    if (rs?.metadata.uid !== reference.uid) return undefined;
    const above = controllerOf(rs);
    if (above?.kind !== 'Deployment') return found(rs);
    const deployment = cluster.get(Deployment, `${namespace}/${above.name}`);
    return deployment?.metadata.uid === above.uid ? found(deployment) : undefined;
  }
  if (kind === 'apps/StatefulSet') return found(cluster.get(StatefulSet, key), reference.uid);
  if (kind === '/ReplicationController') return found(cluster.get(ReplicationController, key), reference.uid);
  return undefined;
}

function found(
  object: ReplicaSet | Deployment | StatefulSet | ReplicationController | undefined,
  uid = object?.metadata.uid,
): Found | undefined {
  if (!object || !uid || object.metadata.uid !== uid) return undefined;
  return { uid, replicas: object.spec?.replicas ?? 1 };
}

/** Any other kind is queried through its scale subresource. */
async function askScale(
  { client }: ReconcileCluster,
  namespace: string,
  reference: OwnerReference,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { group, version } = parseApiVersion(reference.apiVersion);
  const path = groupVersionPath({ group, version });
  const list = await client.raw<APIResourceList>('GET', path, undefined, signal).catch(undefinedIfNotFound);
  const at = `${path}/namespaces/${namespace}/${scalableName(list, reference)}/${reference.name}/scale`;
  const scale = await client.raw<Scale>('GET', at, undefined, signal).catch(undefinedIfNotFound);
  if (scale?.metadata.uid !== reference.uid) return undefined;
  return { uid: reference.uid, replicas: scale.spec?.replicas ?? 0 };
}

/**
 * The resource of the kind that the reference names. `list`: the resources of its version, if that is served.
 * @throws UnknownScale in upstream's words
 */
export function scalableName(
  list: APIResourceList | undefined,
  { apiVersion, kind }: OwnerReference,
): string {
  const { group } = parseApiVersion(apiVersion);
  const { resources = [] } = list ?? {};
  const name = resources.find((one) => one.kind === kind && !one.name.includes('/'))?.name;
  if (name === undefined) throw new UnknownScale(`no matches for kind "${kind}" in version "${apiVersion}"`);
  if (!resources.some((one) => one.name === `${name}/scale` && one.kind === 'Scale'))
    throw new UnknownScale(`${group ? `${name}.${group}` : name} does not implement the scale subresource`);
  return name;
}
