/** Volumes on the node's own disks, which its pods may share: one pod at a time is given access. */
import type { PersistentVolume } from '../../../api/resources.gen.ts';
import { KeyTurns } from '../../../base/async/key-turns.ts';

export class LocalVolumes {
  readonly #turns = new KeyTurns();
  /** The uids of the pods that use it, by the volume's name. */
  readonly #users = new Map<string, Set<string>>();

  /** Does `work`, after which the pod uses the volume unless it failed. `isShared`: another pod uses it by then. */
  use<T>(
    podUid: string,
    { metadata: { name } }: PersistentVolume,
    work: (isShared: boolean) => Promise<T>,
  ): Promise<T> {
    return this.#turns.take([name], async () => {
      const users = this.#users.get(name) ?? new Set();
      const result = await work([...users].some((user) => user !== podUid));
      // Those that went meanwhile may have taken the set with them.
      this.#users.set(name, users.add(podUid));
      return result;
    });
  }

  forget(podUid: string): void {
    for (const [name, users] of this.#users)
      if (users.delete(podUid) && users.size === 0) this.#users.delete(name);
  }
}
