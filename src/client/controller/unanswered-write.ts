/** Writes whose answers were lost: what the caches must show before it can be told what became of them. */
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import { StatusError, undefinedIfNotFound } from '../../api/status.ts';
import type { Client } from '../client.ts';
import { TransportError } from '../transport/transport.ts';

/** Of the object that was written, as far as its writer knows it. */
export interface UnansweredWrite {
  type: ResourceType;
  namespace: string | undefined;
  /** Undefined when the server was to make the name up. */
  name: string | undefined;
  /** Undefined when the object was to be created. */
  uid: string | undefined;
}

/** `version`: what a cache must include; `gone`: the object is not there, and a cache must show that, too. */
export type WriteOutcome = { version: string } | 'gone' | 'nothing';

/** Whether a write that failed so may have been done all the same. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof TransportError || (error instanceof StatusError && error.code >= 500);
}

/**
 * Asks the server. The version is one that an event of the object brings to every watch: the version of a whole list
 * would be newer than its newest object, and the caches learn of such a one with the next bookmark only, a minute later.
 */
export async function outcomeOf(
  { type, namespace, name, uid }: UnansweredWrite,
  client: Client,
): Promise<WriteOutcome> {
  if (name === undefined) return newestIn(type, namespace, client);
  const present = await client
    .get(type, { name, ...(namespace && { namespace }) })
    .catch(undefinedIfNotFound);
  if (uid !== undefined && present?.metadata.uid !== uid) return 'gone';
  return present ? { version: present.metadata.resourceVersion } : 'nothing';
}

async function newestIn(
  type: ResourceType,
  namespace: string | undefined,
  client: Client,
): Promise<WriteOutcome> {
  const { items } = await client.list<KubeObject>(type, {
    ...(namespace && { namespace }),
    metadataOnly: true,
  });
  const versions = items.map(({ metadata }) => Number(metadata.resourceVersion));
  return versions.length === 0 ? 'nothing' : { version: String(Math.max(...versions)) };
}
