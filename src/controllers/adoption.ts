/**
 * Adoption and release: takes over matching objects that have no controller, and releases those that no longer match.
 */
import { apiVersionOf, type KubeObject, type OwnerReference, type ResourceType } from '../api/meta.ts';
import { StatusError } from '../api/status.ts';
import type { ReconcileCluster } from '../client/controller/controller-cluster.ts';

export interface Owner {
  type: ResourceType;
  object: KubeObject;
}

export function controllerReference({ type, object }: Owner): OwnerReference {
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    name: object.metadata.name,
    uid: object.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** The objects of `type` that the owner controls after adoption and release. */
export async function claim<T extends KubeObject>(
  type: ResourceType<T>,
  matches: (object: T) => boolean,
  { cluster, owner, signal }: Omit<Relation<T>, 'type'>,
): Promise<T[]> {
  const relation = { cluster, owner, type, signal };
  const { metadata } = owner.object;
  const isLeaving = metadata.deletionTimestamp !== undefined;
  const claimed: T[] = [];
  for (const object of cluster.ownedBy(type, owner.object)) {
    if (matches(object)) claimed.push(object);
    else if (!isLeaving) await release(object, relation);
  }
  if (isLeaving) return claimed;
  const wanted = cluster
    .orphansIn(type, metadata.namespace)
    .filter((object) => !object.metadata.deletionTimestamp && matches(object));
  if (wanted.length === 0 || !(await cluster.stays(owner.object, signal))) return claimed;
  for (const object of wanted) {
    const adopted = await adopt(object, relation);
    if (adopted) claimed.push(adopted);
  }
  return claimed;
}

/** An owner, and the kind of objects that it adopts and releases. */
interface Relation<T extends KubeObject> {
  cluster: ReconcileCluster;
  owner: Owner;
  type: ResourceType<T>;
  signal: AbortSignal;
}

async function adopt<T extends KubeObject>(
  object: T,
  { cluster, owner, type, signal }: Relation<T>,
): Promise<T | undefined> {
  const patch = { metadata: { uid: object.metadata.uid, ownerReferences: [controllerReference(owner)] } };
  // The object is gone or has another controller: either way it is not ours.
  return cluster.patch<T>(type, object, patch, { type: 'strategic', signal }).catch((error: unknown) => {
    if (error instanceof StatusError && [404, 409, 422].includes(error.code)) return undefined;
    throw error;
  });
}

async function release<T extends KubeObject>(
  object: T,
  { cluster, owner, type, signal }: Relation<T>,
): Promise<void> {
  const gone = { $patch: 'delete', uid: owner.object.metadata.uid };
  const patch = { metadata: { uid: object.metadata.uid, ownerReferences: [gone] } };
  await cluster.patch(type, object, patch, { type: 'strategic', signal }).catch((error: unknown) => {
    if (error instanceof StatusError && [404, 422].includes(error.code)) return;
    throw error;
  });
}
