/** Objects that the server itself maintains: created when they are missing, corrected when they differ. */
import type { Draft, KubeObject, ResourceType } from '../../api/meta.ts';
import { equalJson } from '../../api/schema/json-value.ts';
import { isAlreadyExists, notFound, undefinedIfNotFound } from '../../api/status.ts';
import { mastersGroup } from '../../api/well-known.ts';
import type { UserInfo } from '../request.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { decodeAs, toStoredVersion } from './conversion/codec.ts';
import type { ServedResource } from './kind-registry.ts';
import type { Registry, WriteRequest } from './registry.ts';
import { createObject } from './verbs/create.ts';
import { type DeleteRequest, deleteObject } from './verbs/delete.ts';
import { type ChangeOptions, changeObject } from './verbs/update.ts';

/** Who owns the fields that the server writes. */
export const serverManager = 'kube-apiserver';
/** The server as a user of its own registry. */
const serverUser: UserInfo = { name: 'system:apiserver', groups: [mastersGroup] };

export function resourceOf(registry: Registry, type: ResourceType): ServedResource {
  const resource = registry.kinds.findStored(type.group, type.plural);
  if (!resource) throw notFound(type, '');
  return resource;
}

/** What the server writes in its own name. */
export function ownWrite(
  registry: Registry,
  type: ResourceType,
  namespace: string,
  name: string,
): WriteRequest {
  return {
    resource: resourceOf(registry, type),
    namespace,
    name,
    subresource: '',
    user: serverUser,
    dryRun: false,
    fieldManager: serverManager,
    warnings: [],
  };
}

/** Creates the object unless one of its name exists. Returns true when it was created. */
export async function ensureObject<T extends KubeObject>(
  registry: Registry,
  type: ResourceType<T>,
  draft: Draft<T>,
): Promise<boolean> {
  const { name = '', namespace = '' } = draft.metadata;
  const request = ownWrite(registry, type, namespace, name);
  if (request.resource.cache?.get(namespace ? `${namespace}/${name}` : name)) return false;
  try {
    await createObject(registry, request, storedDraft(registry, type, draft));
    return true;
  } catch (error) {
    if (isAlreadyExists(error)) return false;
    throw error;
  }
}

/** A draft in its stored form, with defaults. */
export function storedDraft<T extends KubeObject>(
  registry: Registry,
  type: ResourceType<T>,
  draft: Draft<T>,
): T {
  const resource = resourceOf(registry, type);
  const value = structuredClone(draft) as Record<string, unknown>;
  const object = decodeAs(resource, { value, problems: [] }, 'Ignore', []);
  return toStoredVersion(resource, object) as T;
}

/**
 * Whether there is anything to write. Checked first, since a write calls the cluster's webhooks, which may be
 * unavailable when a server starts.
 */
export function differs(stored: KubeObject, wanted: KubeObject): boolean {
  const { resourceVersion: _, ...present } = stored.metadata;
  const { resourceVersion: __, ...metadata } = wanted.metadata;
  return !equalJson({ ...stored, metadata: present }, { ...wanted, metadata });
}

/** Changes an object in the server's own name. */
export function changeOwn(
  registry: Registry,
  type: ResourceType,
  at: { namespace: string; name: string },
  options: ChangeOptions,
): Promise<CachedObject> {
  return changeObject(registry, ownWrite(registry, type, at.namespace, at.name), options);
}

/** Deletes an object without a namespace in the server's own name, unless it is gone already. @throws StatusError 409 when a precondition fails */
export async function deleteOwn(
  registry: Registry,
  type: ResourceType,
  name: string,
  preconditions?: DeleteRequest['preconditions'],
): Promise<void> {
  await deleteObject(registry, {
    ...ownWrite(registry, type, '', name),
    gracePeriodSeconds: undefined,
    propagationPolicy: undefined,
    preconditions,
    options: {},
  }).catch(undefinedIfNotFound);
}
