/** Writes that failed in a way that tells of stale caches: what those must show before the next reconcile. */
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import { StatusError, undefinedIfNotFound } from '../../api/status.ts';
import type { Client, ObjectName } from '../client.ts';
import { TransportError } from '../transport/transport.ts';

/** Of the object that was to be written, as far as its writer knows it. */
export interface FailedWrite {
  type: ResourceType;
  namespace: string | undefined;
  /** Undefined when the server was to make the name up. */
  name: string | undefined;
  /** Undefined when the object was to be created. */
  uid: string | undefined;
}

/** `version`: what a cache must include; `gone`: the object is not there, and a cache must show that, too. */
export type PresentState = { version: string } | { gone: ObjectName & { uid: string } } | 'nothing';

/** The answer was lost, so the write may have been done all the same; or another has changed or deleted the object. */
export function tellsOfStaleCache(error: unknown, type: ResourceType): boolean {
  if (error instanceof TransportError) return true;
  if (!(error instanceof StatusError)) return false;
  // A race for something else, a quota for instance, tells nothing of the object.
  const { code, status } = error;
  return code === 409 || code === 404 ? status.details?.kind === type.plural : code >= 500;
}

/**
 * Asks the server. The version is one that an event of the object brings to every watch: the version of a whole list
 * would be newer than its newest object, and the caches learn of such a one with the next bookmark only, a minute later.
 */
export async function presentState(
  { type, namespace, name, uid }: FailedWrite,
  client: Client,
): Promise<PresentState> {
  if (name === undefined) return newestIn(type, namespace, client);
  const present = await client
    .get(type, { name, ...(namespace && { namespace }) })
    .catch(undefinedIfNotFound);
  if (uid !== undefined && present?.metadata.uid !== uid) return { gone: { namespace, name, uid } };
  return present ? { version: present.metadata.resourceVersion } : 'nothing';
}

async function newestIn(
  type: ResourceType,
  namespace: string | undefined,
  client: Client,
): Promise<PresentState> {
  const { items } = await client.list<KubeObject>(type, {
    ...(namespace && { namespace }),
    metadataOnly: true,
  });
  const versions = items.map(({ metadata }) => Number(metadata.resourceVersion));
  return versions.length === 0 ? 'nothing' : { version: String(Math.max(...versions)) };
}
