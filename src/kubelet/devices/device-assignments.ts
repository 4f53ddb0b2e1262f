/**
 * Which devices each container has, and what its plugin said is needed to use them. Also on disk: a container restarts
 * with the same devices, even while their plugin is away.
 */

import { isSidecar } from '../../api/core/pod/sidecars.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Logger } from '../../base/logger.ts';
import { JsonFile } from '../../base/system/json-file.ts';
import type { ContainerAllocateResponse } from './plugin-messages.ts';

export interface Assignment {
  ids: string[];
  grant: ContainerAllocateResponse;
}

/** For one container, by resource. */
type Assigned = Record<string, Assignment>;

interface Saved {
  /**
   * Resources that a plugin has offered: without the plugin they are not available, whatever the node's status still
   * says.
   */
  resources: string[];
  /** By `podUid/container`. */
  containers: Record<string, Assigned>;
}

export class DeviceAssignments {
  readonly #file: JsonFile<Saved>;
  readonly #logger: Logger;
  readonly #containers = new Map<string, Assigned>();
  readonly resources = new Set<string>();

  constructor(file: string, logger: Logger) {
    this.#file = new JsonFile(file);
    this.#logger = logger;
  }

  /** An unreadable file must not keep the node from starting, at the price that its devices may be allocated twice. */
  async load(): Promise<void> {
    try {
      const { resources, containers } = (await this.#file.read()) ?? { resources: [], containers: {} };
      for (const name of resources) this.resources.add(name);
      for (const [key, assigned] of Object.entries(containers)) this.#containers.set(key, assigned);
    } catch (error) {
      this.#logger.warn('device assignments cannot be read and are forgotten', { error });
    }
  }

  find(podUid: string, container: string, resource: string): Assignment | undefined {
    return this.#containers.get(`${podUid}/${container}`)?.[resource];
  }

  /** Ids by resource. */
  ofContainer(podUid: string, container: string): [resource: string, ids: readonly string[]][] {
    const assigned = this.#containers.get(`${podUid}/${container}`) ?? {};
    return Object.entries(assigned).map(([resource, { ids }]) => [resource, ids]);
  }

  taken(resource: string): Set<string> {
    return new Set([...this.#containers.values()].flatMap((assigned) => assigned[resource]?.ids ?? []));
  }

  /** Uids of the pods that have any of these devices. */
  usersOf(resource: string, ids: readonly string[]): string[] {
    const users = [...this.#containers].filter(([, assigned]) =>
      assigned[resource]?.ids.some((id) => ids.includes(id)),
    );
    return [...new Set(users.map(([key]) => podUidOf(key)))];
  }

  /**
   * Init containers have ended when the next container starts: devices that they had, and that no running container
   * has, are free for it.
   */
  reusable({ metadata, spec }: Pod, resource: string): string[] {
    const idsOf = ({ name }: Pick<core.Container, 'name'>) =>
      this.find(metadata.uid, name, resource)?.ids ?? [];
    const { initContainers = [], containers } = spec;
    const goOn = new Set([...initContainers.filter(isSidecar), ...containers].flatMap(idsOf));
    const ended = initContainers.filter((container) => !isSidecar(container)).flatMap(idsOf);
    return [...new Set(ended)].filter((id) => !goOn.has(id));
  }

  async assign(podUid: string, container: string, resource: string, assignment: Assignment): Promise<void> {
    const key = `${podUid}/${container}`;
    this.#containers.set(key, { ...this.#containers.get(key), [resource]: assignment });
    await this.#save();
  }

  async offered(resource: string): Promise<void> {
    if (this.resources.has(resource)) return;
    this.resources.add(resource);
    await this.#saveOrWarn();
  }

  release(podUid: string): Promise<void> {
    return this.releaseAll((uid) => uid === podUid);
  }

  /** The devices of all these pods. */
  async releaseAll(isMeant: (podUid: string) => boolean): Promise<void> {
    const keys = [...this.#containers.keys()].filter((key) => isMeant(podUidOf(key)));
    for (const key of keys) this.#containers.delete(key);
    if (keys.length > 0) await this.#saveOrWarn();
  }

  #saveOrWarn(): Promise<void> {
    return this.#save().catch((error: unknown) =>
      this.#logger.warn('device assignments could not be saved', { error }),
    );
  }

  #save(): Promise<void> {
    return this.#file.write(() => ({
      resources: [...this.resources],
      containers: Object.fromEntries(this.#containers),
    }));
  }
}

function podUidOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}
