/** Whether an owner in the cache still exists, which only the server knows for certain. */
import {
  controllerOf,
  type Draft,
  type KubeObject,
  parseApiVersion,
  type ResourceType,
} from '../../api/meta.ts';
import { isNamespaceTerminating, isNotFound } from '../../api/status.ts';
import type { Client } from '../client.ts';

/**
 * Nothing was created for an owner that is gone, terminating, or replaced by another of its name: an event about it
 * triggers the next reconcile.
 */
export class OwnerGone extends Error {}

/** The namespace or the owner is being deleted: nothing more can be created, and no event is needed. */
export function isInVain(error: unknown): boolean {
  return error instanceof OwnerGone || isNamespaceTerminating(error);
}

type OwnerName = Pick<KubeObject['metadata'], 'namespace' | 'name' | 'uid'>;

/** Asks the server at most once for each owner: one is for a single reconcile. */
export class OwnerCheck {
  readonly #client: Client;
  readonly #type: ResourceType;
  readonly #asked = new Map<string, Promise<boolean>>();

  /** `type`: the kind of the owners. */
  constructor(client: Client, type: ResourceType) {
    this.#client = client;
    this.#type = type;
  }

  /** False when the owner is gone or terminating, or another object has its name. */
  async stays(owner: OwnerName, signal: AbortSignal): Promise<boolean> {
    let answer = this.#asked.get(owner.uid);
    if (!answer) {
      answer = this.#ask(owner, signal);
      this.#asked.set(owner.uid, answer);
    }
    return answer;
  }

  /** @throws OwnerGone where the draft's controller is of the owners' kind and does not stay. */
  async assertOwnerStays({ metadata }: Draft<KubeObject>, signal: AbortSignal): Promise<void> {
    const { ownerReferences, namespace } = metadata;
    const reference = controllerOf({ metadata: { ownerReferences } });
    const { kind, group, namespaced } = this.#type;
    if (reference?.kind !== kind || parseApiVersion(reference.apiVersion).group !== group) return;
    const owner = { name: reference.name, uid: reference.uid, ...(namespaced && { namespace }) };
    if (!(await this.stays(owner, signal))) throw new OwnerGone(`${kind} ${owner.name} is no longer there`);
  }

  async #ask({ namespace, name, uid }: OwnerName, signal: AbortSignal): Promise<boolean> {
    try {
      const { metadata } = await this.#client.get(this.#type, { namespace, name }, signal);
      return metadata.uid === uid && metadata.deletionTimestamp === undefined;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}
