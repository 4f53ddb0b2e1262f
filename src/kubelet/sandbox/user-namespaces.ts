/**
 * The user namespaces of pods with `hostUsers: false`: each has a range of the machine's user and group ids for itself.
 * A range is also in a file of the pod's folder, which a kubelet that starts anew reads back.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../../base/random.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import { replaceFile } from '../../base/system/replace-file.ts';
import type { IdMapping, RuntimeHandler, UserNamespace } from '../cri/messages.ts';

/** Upstream's default. A container sees these ids as 0 and up. */
const idsPerPod = 65_536;
/** Ids have 32 bits. The first range is the machine's own, and never a pod's. */
const rangesMax = 2 ** 32 / idsPerPod - 1;

/** For pods that share the machine's users. */
export const hostUsers: UserNamespace = { mode: 'NODE' };

/** Upstream's message where the runtime cannot give a pod a user namespace; undefined: it can. */
export function userNamespaceProblem(handlers: readonly RuntimeHandler[], name: string): string | undefined {
  const handler = handlers.find((each) => each.name === name);
  if (handler?.userNamespaces) return undefined;
  const who = name === '' ? 'runtime' : `RuntimeClass handler "${name}"`;
  const problem = `can't set \`spec.hostUsers: false\`, ${who} does not support user namespaces`;
  // A runtime that lists no handlers is too old to say what they can do.
  return handler || handlers.length === 0 ? problem : `${problem}: the handler "${name}" is not known`;
}

/** The first id of a free range. `next`: uniform in [0, 1); a range that has just become free is seldom the next one. */
export function chooseRange(taken: ReadonlySet<number>, next: () => number): number {
  if (taken.size >= rangesMax) throw new Error('could not find an empty slot to allocate a user namespace');
  let index = Math.floor(next() * rangesMax);
  while (taken.has((index + 1) * idsPerPod)) index = (index + 1) % rangesMax;
  return (index + 1) * idsPerPod;
}

/** What such a file holds; the same for users and groups. */
interface Saved {
  uidMappings: IdMapping[];
  gidMappings: IdMapping[];
}

/** The first id of the range in a file. @throws Error when this kubelet cannot have written it */
export function parseMappings(text: string): number {
  const { uidMappings, gidMappings } = JSON.parse(text) as Partial<Saved>;
  const [users, groups] = [uidMappings?.[0], gidMappings?.[0]];
  const isOne = uidMappings?.length === 1 && gidMappings?.length === 1;
  if (!isOne || !users || !groups || users.hostId !== groups.hostId || users.length !== groups.length)
    throw new Error('invalid user namespace configuration: GID and UID mapping should be identical');
  if (users.containerId !== 0 || groups.containerId !== 0)
    throw new Error('invalid user namespace configuration: UID 0 must be mapped');
  if (users.length !== idsPerPod) throw new Error(`wrong user namespace length ${users.length}`);
  if (users.hostId % idsPerPod !== 0)
    throw new Error(`wrong user namespace offset specified ${users.hostId}`);
  if (users.hostId < idsPerPod || users.hostId > rangesMax * idsPerPod)
    throw new Error(`id ${users.hostId} is out of range`);
  return users.hostId;
}

export interface UserNamespacesOptions {
  random: Random;
  /** With the folders of the pods; undefined: nothing is stored. */
  podsDir: string | undefined;
}

export class UserNamespaces {
  readonly #options: UserNamespacesOptions;
  /** First ids, by uid of the pod. */
  readonly #ranges = new Map<string, number>();
  /** Pods with a file from which their range cannot be told: until they are gone, no range is known to be free. */
  readonly #unreadable = new Map<string, Error>();
  #restored: Promise<void> | undefined;

  constructor(options: UserNamespacesOptions) {
    this.#options = options;
  }

  /** The pod's namespace, if it has one already. */
  async find(podUid: string): Promise<UserNamespace | undefined> {
    await this.#restore();
    const hostId = this.#ranges.get(podUid);
    return hostId === undefined ? undefined : namespaceAt(hostId);
  }

  /** The pod's namespace, from now on at the latest. On disk first: a range must never be given away twice. */
  async allocate(podUid: string): Promise<UserNamespace> {
    const present = await this.find(podUid);
    if (present) return present;
    for (const [uid, { message }] of this.#unreadable)
      throw new Error(`record pod mappings for existing pod "${uid}": ${message}`);
    const hostId = chooseRange(new Set(this.#ranges.values()), () => this.#options.random.next());
    this.#ranges.set(podUid, hostId);
    try {
      await this.#save(podUid, hostId);
    } catch (error) {
      this.#ranges.delete(podUid);
      throw new Error(`create user namespace: ${(error as Error).message}`, { cause: error });
    }
    return namespaceAt(hostId);
  }

  /** To be called when nothing of the pod runs any more. */
  async release(podUid: string): Promise<void> {
    await this.#restore();
    if (!this.#ranges.has(podUid) && !this.#unreadable.has(podUid)) return;
    const file = this.#fileOf(podUid);
    if (file !== undefined) await rm(file, { force: true });
    this.#ranges.delete(podUid);
    this.#unreadable.delete(podUid);
  }

  /** Uids of the pods that have one. */
  async list(): Promise<string[]> {
    await this.#restore();
    return [...this.#ranges.keys(), ...this.#unreadable.keys()];
  }

  #fileOf(podUid: string): string | undefined {
    const { podsDir } = this.#options;
    return podsDir === undefined ? undefined : join(podsDir, podUid, 'userns');
  }

  async #save(podUid: string, hostId: number): Promise<void> {
    const file = this.#fileOf(podUid);
    if (file === undefined) return;
    const mappings = mappingsAt(hostId);
    const saved: Saved = { uidMappings: mappings, gidMappings: mappings };
    await mkdir(join(file, '..'), { recursive: true, mode: 0o750 });
    replaceFile(file, JSON.stringify(saved));
  }

  /** After a failure the next call tries again: without knowing what is taken, nothing may be given away. */
  #restore(): Promise<void> {
    this.#restored ??= this.#readAll().catch((error: unknown) => {
      this.#restored = undefined;
      throw error;
    });
    return this.#restored;
  }

  async #readAll(): Promise<void> {
    const { podsDir } = this.#options;
    if (podsDir === undefined) return;
    for (const uid of await readdir(podsDir).catch(ifMissing([]))) {
      const text = await readFile(this.#fileOf(uid)!, 'utf8').catch(ifMissing(undefined));
      if (text === undefined) continue;
      try {
        this.#ranges.set(uid, parseMappings(text));
      } catch (error) {
        this.#unreadable.set(uid, error as Error);
      }
    }
  }
}

function mappingsAt(hostId: number): IdMapping[] {
  return [{ hostId, containerId: 0, length: idsPerPod }];
}

function namespaceAt(hostId: number): UserNamespace {
  return { mode: 'POD', uids: mappingsAt(hostId), gids: mappingsAt(hostId) };
}
