/** The shapes that every object shares: metadata, lists, selectors, and how a resource is named. */

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/**
 * A built-in or custom resource as clients address it, in the version that Wherry's own components use. `T` exists for
 * the type checker only: `client.get(Pod, …)` returns a `Pod`.
 */
export interface ResourceType<T extends KubeObject = KubeObject> extends GroupVersionKind {
  /** Lower-case plural as in URLs, e.g. `pods`. */
  plural: string;
  namespaced: boolean;
  /** Never present at run time. */
  readonly example?: T;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFieldsEntry {
  manager?: string;
  operation?: string;
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: unknown;
  subresource?: string;
}

/** Metadata of an object that a server returned. For an object that is about to be created use {@link Draft}. */
export interface ObjectMeta {
  name: string;
  generateName?: string;
  /** Absent on cluster-scoped objects. */
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  /** RFC 3339, whole seconds. */
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: ManagedFieldsEntry[];
  selfLink?: string;
}

/** Any object of the API. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** An object that a client is about to create: what the server fills in may be missing. */
export type Draft<T extends KubeObject> = Omit<T, 'metadata' | 'apiVersion' | 'kind'> & {
  apiVersion?: string;
  kind?: string;
  metadata: Partial<ObjectMeta>;
};

export interface ListMeta {
  resourceVersion?: string;
  continue?: string;
  remainingItemCount?: number;
  selfLink?: string;
}

export interface KubeList<T extends KubeObject = KubeObject> {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: T[];
}

export interface LabelSelectorRequirement {
  key: string;
  operator: string;
  values?: string[];
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: LabelSelectorRequirement[];
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(type: { group: string; version: string }): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** Splits `apps/v1` or `v1`. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** `namespace/name`, or `name` for a cluster-scoped object: the key of queues and caches. */
export function keyOf(object: { metadata: { namespace?: string; name: string } }): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** The inverse of {@link keyOf}. */
export function splitKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The owner reference that says who manages the object, if any. */
export function controllerOf(object: {
  metadata: { ownerReferences?: OwnerReference[] };
}): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** The object's name in messages: before it has one, the base from which it is generated. */
export function reportedName({ name, generateName }: ObjectMeta): string {
  return name || generateName || '';
}

/** Of objects that were created within the same second, the first by name; undefined when there are none. */
export function newestOf<T extends KubeObject>(objects: Iterable<T>): T | undefined {
  let newest: T | undefined;
  for (const object of objects) if (!newest || isNewer(object.metadata, newest.metadata)) newest = object;
  return newest;
}

function isNewer(one: ObjectMeta, other: ObjectMeta): boolean {
  if (one.creationTimestamp !== other.creationTimestamp)
    return one.creationTimestamp > other.creationTimestamp;
  return one.name < other.name;
}
