/** The ReplicaSet of a Deployment's present template: found and brought up to date, or created. */
import { findCondition } from '../../../api/conditions.ts';
import { controllerOf, type Draft } from '../../../api/meta.ts';
import { ReplicaSet } from '../../../api/resources.gen.ts';
import { isAlreadyExists, type StatusError } from '../../../api/status.ts';
import { messageOf } from '../../../base/text/error-message.ts';
import { isInVain } from '../../../client/controller/owner-check.ts';
import type { DeploymentRecord } from './deployment-record.ts';
import {
  newReplicaSet,
  nextRevision,
  revisionOf,
  splitReplicaSets,
  syncedReplicaSet,
} from './deployment-revision.ts';
import { newReplicaSetSize } from './deployment-rollout.ts';
import type { DeploymentSets } from './deployment-sets.ts';
import { hasProgressDeadline, progressReasons } from './deployment-status.ts';

/** Numbers the present set, and passes on to it what the Deployment says. Does nothing where there is none. */
export async function syncCurrent(record: DeploymentRecord, sets: DeploymentSets): Promise<DeploymentSets> {
  const { current, old } = sets;
  if (!current) return sets;
  const { cluster, signal, present } = record;
  const changed = syncedReplicaSet(present, current, nextRevision(old));
  const synced = changed ? await cluster.update(ReplicaSet, changed, signal) : current;
  const isUnknown = hasProgressDeadline(present) && !findCondition(present.status?.conditions, 'Progressing');
  const message = `Found new replica set "${current.metadata.name}"`;
  const condition = isUnknown ? record.progress('True', progressReasons.found, message) : undefined;
  await record.setRevision(revisionOf(synced), condition);
  return { current: synced, old };
}

/** As {@link syncCurrent}, and creates the set where there is none: `current` is still undefined where that is in vain. */
export async function ensureCurrent(record: DeploymentRecord, sets: DeploymentSets): Promise<DeploymentSets> {
  const { current, old } = sets;
  if (current) return await syncCurrent(record, sets);
  const revision = nextRevision(old);
  const draft = newReplicaSet(record.present, revision);
  const replicas = newReplicaSetSize(record.present, old, undefined);
  const made = await create(record, { ...draft, spec: { ...draft.spec!, replicas } });
  if (!made) return sets;
  const { rs, isNew } = made;
  const { name } = rs.metadata;
  if (isNew && replicas > 0)
    record.event('Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${replicas}`);
  const condition =
    isNew && !record.isMarked && hasProgressDeadline(record.present)
      ? record.progress('True', progressReasons.created, `Created new replica set "${name}"`)
      : undefined;
  await record.setRevision(revision, condition);
  return { current: rs, old };
}

/** Undefined: the Deployment is gone or going. */
async function create(
  record: DeploymentRecord,
  draft: Draft<ReplicaSet>,
): Promise<{ rs: ReplicaSet; isNew: boolean } | undefined> {
  const { cluster, signal } = record;
  try {
    return { rs: await cluster.create(ReplicaSet, draft, signal), isNew: true };
  } catch (error) {
    signal.throwIfAborted();
    if (isInVain(error)) return undefined;
    if (isAlreadyExists(error)) return { rs: await sameOrCollision(record, draft, error), isNew: false };
    const { createError } = progressReasons;
    const message = `Failed to create new replica set "${draft.metadata.name}": ${messageOf(error)}`;
    if (hasProgressDeadline(record.present))
      await record.setCondition(record.progress('False', createError, message));
    record.event('Warning', createError, message);
    throw error;
  }
}

/**
 * The name is taken: by our own set, which the cache does not show yet, or by another with the same hash, which the
 * collision count avoids the next time.
 */
async function sameOrCollision(
  record: DeploymentRecord,
  draft: Draft<ReplicaSet>,
  error: StatusError,
): Promise<ReplicaSet> {
  const { cluster, signal, present } = record;
  const { namespace, uid } = present.metadata;
  const rs = await cluster.client.get(ReplicaSet, { namespace, name: draft.metadata.name! }, signal);
  const isOurs = controllerOf(rs)?.uid === uid;
  if (isOurs && splitReplicaSets(present, [rs]).current) return rs;
  const collisionCount = (present.status?.collisionCount ?? 0) + 1;
  await record.updateStatus({ ...present.status, collisionCount });
  throw error;
}
