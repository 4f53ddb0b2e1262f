/** Which controllers' sizes make up the number of pods that a budget expects, and what they come to. Decides; never acts. */
import {
  controllerOf,
  type KubeObject,
  type OwnerReference,
  parseApiVersion,
  type ResourceType,
} from '../../api/meta.ts';
import {
  Deployment,
  type Pod,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../api/resources.gen.ts';
import type { APIResourceList } from '../../api/types/meta-v1.gen.ts';

/** A size that cannot be learned: its budget allows nothing until its pods change. */
export interface UnknownScale {
  /** In upstream's words. */
  why: string;
}

export interface ControllerScale {
  uid: string;
  replicas: number;
}

export interface PodController {
  reference: OwnerReference;
  /** The first of its pods. */
  podName: string;
}

export interface ExpectedScale {
  replicas: number;
  /** Pods without a controller, which do not count. */
  unmanaged: readonly string[];
}

/** What a cache has under `<namespace>/<name>`. */
export type Lookup = <T extends KubeObject>(type: ResourceType<T>, key: string) => T | undefined;

/** Each controller once, in the order of the pods. */
export function controllersOf(pods: readonly Pod[]): { controllers: PodController[]; unmanaged: string[] } {
  const controllers = new Map<string, PodController>();
  const unmanaged: string[] = [];
  for (const pod of pods) {
    const reference = controllerOf(pod);
    const podName = pod.metadata.name;
    if (!reference) unmanaged.push(podName);
    else if (!controllers.has(reference.uid)) controllers.set(reference.uid, { reference, podName });
  }
  return { controllers: [...controllers.values()], unmanaged };
}

/** The size of one of the usual kinds; undefined when the caches do not have it. */
export function cachedScale(
  namespace: string,
  reference: OwnerReference,
  lookup: Lookup,
): ControllerScale | undefined {
  const key = `${namespace}/${reference.name}`;
  const kind = `${parseApiVersion(reference.apiVersion).group}/${reference.kind}`;
  if (kind === 'apps/ReplicaSet' || kind === 'extensions/ReplicaSet') {
    const rs = lookup(ReplicaSet, key);
    if (rs?.metadata.uid !== reference.uid) return undefined;
    const above = controllerOf(rs);
    if (above?.kind !== 'Deployment') return scaleOf(rs, reference);
    return scaleOf(lookup(Deployment, `${namespace}/${above.name}`), above);
  }
  if (kind === 'apps/StatefulSet') return scaleOf(lookup(StatefulSet, key), reference);
  if (kind === '/ReplicationController') return scaleOf(lookup(ReplicationController, key), reference);
  return undefined;
}

function scaleOf(
  object: ReplicaSet | Deployment | StatefulSet | ReplicationController | undefined,
  { uid }: OwnerReference,
): ControllerScale | undefined {
  return object?.metadata.uid === uid ? { uid, replicas: object.spec?.replicas ?? 1 } : undefined;
}

/** The sum: ReplicaSets of one Deployment count once, with its size. `found`: what was learned of each controller. */
export function totalScale(
  found: readonly { of: PodController; scale: ControllerScale | UnknownScale | undefined }[],
): number | UnknownScale {
  const replicas = new Map<string, number>();
  for (const { of, scale } of found) {
    if (!scale) return { why: `found no controllers for pod "${of.podName}"` };
    if ('why' in scale) return scale;
    replicas.set(scale.uid, scale.replicas);
  }
  return [...replicas.values()].reduce((total, one) => total + one, 0);
}

/**
 * The resource of the kind that the reference names. `list`: the resources of its version, undefined when that is not
 * served.
 */
export function scalableName(
  list: APIResourceList | undefined,
  { apiVersion, kind }: OwnerReference,
): string | UnknownScale {
  const { group } = parseApiVersion(apiVersion);
  const { resources = [] } = list ?? {};
  const name = resources.find((one) => one.kind === kind && !one.name.includes('/'))?.name;
  if (name === undefined) return { why: `no matches for kind "${kind}" in version "${apiVersion}"` };
  if (resources.some((one) => one.name === `${name}/scale` && one.kind === 'Scale')) return name;
  return { why: `${group ? `${name}.${group}` : name} does not implement the scale subresource` };
}
