/** Whether a write meets the object that it was meant for. */
import type { KubeObject } from '../../api/meta.ts';
import { conflict, invalid, modifiedMessage, StatusError } from '../../api/status.ts';
import { invalidValue } from '../../api/validation/field-error.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { ServedResource } from './kind-registry.ts';
import { cacheOf, type WriteRequest } from './registry.ts';
import { numberProblem } from './verbs/read-revision.ts';

/**
 * That the new state names the object, and if any the revision, that it was made from. `isPatch`: it was derived from the
 * stored object, and another uid is for validation to refuse.
 * @throws StatusError Conflict; 500, as upstream, for a version that is no number
 */
export function checkVersion(
  request: WriteRequest,
  object: KubeObject,
  current: CachedObject,
  { isPatch }: { isPatch?: boolean | undefined },
): void {
  const { resource, name } = request;
  const { uid, resourceVersion } = object.metadata;
  const { uid: currentUid } = current.object.metadata;
  if (uid !== currentUid && !isPatch)
    throw conflict(
      resource,
      name,
      `StorageError: invalid object, Code: 4, Key: ${cacheOf(resource).prefix}${current.key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${currentUid}`,
    );
  if (resourceVersion && !names(resourceVersion, current.revision))
    throw conflict(resource, name, modifiedMessage);
}

/** Of some kinds an update has to say what it was made from. @throws StatusError Invalid */
export function requireVersion(
  { definition, group, plural, isCustom }: ServedResource,
  { name, resourceVersion }: { name: string; resourceVersion?: string },
): void {
  if (resourceVersion || !(definition.requiresVersionOnUpdate || isCustom)) return;
  // The store knows what is stored by its resource only.
  throw invalid({ group, kind: plural }, name, [
    invalidValue('metadata.resourceVersion', 0, 'must be specified for an update'),
  ]);
}

/** Zero stands for whatever there is. */
function names(resourceVersion: string, revision: number): boolean {
  const problem = numberProblem(resourceVersion);
  if (problem) throw new StatusError(500, '', problem);
  const wanted = BigInt(resourceVersion);
  return wanted === 0n || wanted === BigInt(revision);
}

/** @throws StatusError Conflict, in the words of a delete, when it is not the intended object */
export function checkPreconditions(
  { resource, name }: Pick<WriteRequest, 'resource' | 'name'>,
  current: CachedObject,
  preconditions: { uid?: string; resourceVersion?: string } | undefined,
): void {
  if (!preconditions) return;
  const named = { group: resource.group, plural: resource.kind };
  const { uid } = current.object.metadata;
  if (preconditions.uid !== undefined && preconditions.uid !== uid)
    throw conflict(
      named,
      name,
      `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    );
  const version = String(current.revision);
  if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== version)
    throw conflict(
      named,
      name,
      `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${version}). The object might have been modified`,
    );
}
