/** What the server itself says about the metadata of an object that is written, whatever its kind. */
import type { KubeObject, OwnerReference } from '../../api/meta.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import { equalJson } from '../../api/schema/json-value.ts';
import { badRequest } from '../../api/status.ts';
import type { WriteRequest } from './registry.ts';

/** An object may leave out the namespace of its path, but not name another, nor be sent there by a webhook or a policy. */
export function matchNamespace(request: WriteRequest, object: KubeObject): void {
  const { resource, namespace } = request;
  const meta = object.metadata;
  if (!resource.namespaced) {
    // What has no namespace takes none from the client either.
    delete meta.namespace;
    return;
  }
  if (!meta.namespace) meta.namespace = namespace;
  else if (meta.namespace !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
}

/** Owner references are a set: a duplicate is dropped, with a warning to the client. */
export function dropDuplicateOwners({ warnings }: WriteRequest, meta: KubeObject['metadata']): void {
  const owners = meta.ownerReferences;
  if (!owners || owners.length < 2) return;
  // There may be very many: they are not each held against all others.
  const seen = new Set<string>();
  const uids = new Set<string>();
  const twice = new Set<string>();
  const kept = owners.filter((owner) => {
    if (uids.has(owner.uid)) twice.add(owner.uid);
    uids.add(owner.uid);
    const text = ownerText(owner);
    return !seen.has(text) && seen.add(text);
  });
  if (kept.length === owners.length) return;
  meta.ownerReferences = kept;
  warnings.push(
    `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${[...twice].join(', ')}`,
  );
}

/** The same for references that say the same. */
function ownerText(owner: OwnerReference): string {
  const { apiVersion, kind, name, uid, controller, blockOwnerDeletion } = owner;
  return JSON.stringify([apiVersion, kind, name, uid, controller, blockOwnerDeletion]);
}

/** Fields that the server owns come from the old state; a client may omit or repeat them. */
export function carryMetadata(object: KubeObject, old: KubeObject): void {
  const meta = object.metadata;
  meta.uid ||= old.metadata.uid;
  meta.creationTimestamp = old.metadata.creationTimestamp;
  if (old.metadata.deletionTimestamp !== undefined) meta.deletionTimestamp ??= old.metadata.deletionTimestamp;
  if (old.metadata.deletionGracePeriodSeconds !== undefined)
    meta.deletionGracePeriodSeconds ??= old.metadata.deletionGracePeriodSeconds;
  if (old.metadata.generation === undefined) delete meta.generation;
  else meta.generation = old.metadata.generation;
}

/** The generation counts changes of the desired state: everything but metadata and status. */
export function countGeneration(
  { resource, subresource }: WriteRequest,
  object: KubeObject,
  old: KubeObject,
): void {
  if (subresource === 'status') return;
  if (!resource.definition.hasGeneration || old.metadata.generation === undefined) return;
  if (sameWanted(object, old)) return;
  object.metadata.generation = old.metadata.generation + 1;
}

const notWanted: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'status']);

function sameWanted(object: KubeObject, old: KubeObject): boolean {
  const [left, right] = [asJsonObject(object), asJsonObject(old)];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
    if (!notWanted.has(key) && !equalJson(left[key], right[key])) return false;
  return true;
}

/** True when nothing holds a deleted object back any longer. */
export function isReadyToGo(object: KubeObject): boolean {
  const { deletionTimestamp, finalizers, deletionGracePeriodSeconds = 0 } = object.metadata;
  if (!deletionTimestamp || finalizers?.length || deletionGracePeriodSeconds !== 0) return false;
  return !isHeldBySpec(object);
}

/** Namespaces keep finalizers of their own in the spec. */
export function isHeldBySpec(object: KubeObject): boolean {
  const spec = (object as { spec?: { finalizers?: unknown[] } }).spec;
  return object.kind === 'Namespace' && (spec?.finalizers?.length ?? 0) > 0;
}
