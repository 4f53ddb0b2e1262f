/** Volumes that only one pod may use at a time. The scheduler sees to that too, but not for pods that name their node. */
import type { PersistentVolume } from '../../../api/resources.gen.ts';
import { VolumeError } from '../pod-volumes.ts';

export class SinglePodVolumes {
  /** The uid of the pod that uses it, by the volume's name. */
  readonly #users = new Map<string, string>();

  /**
   * Does `work`, after which the pod uses the volume unless it failed. `volumeName`: within the pod.
   * @throws VolumeError in upstream's words while another pod uses it
   */
  async use<T>(
    podUid: string,
    volumeName: string,
    { metadata, spec }: PersistentVolume,
    work: () => Promise<T>,
  ): Promise<T> {
    // With a second mode, nobody knows which of them the pod relies on.
    const { accessModes, volumeMode } = spec ?? {};
    if (accessModes?.length !== 1 || accessModes[0] !== 'ReadWriteOncePod') return work();
    const { name } = metadata;
    const user = this.#users.get(name);
    if (user !== undefined && user !== podUid) {
      const isMapped = volumeMode === 'Block';
      const why = 'volume uses the ReadWriteOncePod access mode and is already in use by another pod';
      const operation = isMapped ? 'SetUpDevice' : 'SetUp';
      throw new VolumeError(volumeName, why, { shownAs: name, operation, isMapped });
    }
    this.#users.set(name, podUid);
    try {
      return await work();
    } catch (error) {
      if (user === undefined) this.#users.delete(name);
      throw error;
    }
  }

  forget(podUid: string): void {
    for (const [name, user] of this.#users) if (user === podUid) this.#users.delete(name);
  }
}
