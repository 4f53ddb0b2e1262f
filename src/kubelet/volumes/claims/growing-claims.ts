/** Claims of running pods: when one was enlarged, so is the file system on its volume. */

import { compareQuantities, parseQuantity } from '../../../api/quantities/quantity.ts';
import { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/resources.gen.ts';
import type { Clock } from '../../../base/clock.ts';
import { leastOf } from '../../../base/least-of.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Client } from '../../../client/client.ts';
import { type EventRecorder, targetOf } from '../../../client/events/event-recorder.ts';
import type { NodeFacts } from '../../spec/field-paths.ts';
import { failedStatus, grownStatus, mayGrowOnNode } from './claim-growth.ts';

export interface GrowingClaimsOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  recorder: EventRecorder;
  /** Grows the file system to the size of the volume; false: the node has nothing to do. */
  expand(pod: Pod, volumeName: string, volume: PersistentVolume): Promise<boolean>;
  node(): NodeFacts;
}

interface Followed {
  claimName: string;
  /** When to check again, milliseconds since the epoch. */
  lookAtMs?: number;
}

interface Grown {
  claim: PersistentVolumeClaim;
  volume: PersistentVolume;
  /** Of the volume, a quantity. */
  capacity: string;
}

/** After an expansion that failed. */
const retryAfterMs = 30_000;
/** How often a claim is read: a node may read the claims of its pods, but not watch them. */
const lookMs = 20_000;

export class GrowingClaims {
  readonly #options: GrowingClaimsOptions;
  /** By `podUid/volume`. */
  readonly #followed = new Map<string, Followed>();

  constructor(options: GrowingClaimsOptions) {
    this.#options = options;
  }

  /** The pod has its volume: from now on its claim is checked. */
  async follow(pod: Pod, volumeName: string, claimName: string): Promise<void> {
    this.#followed.set(`${pod.metadata.uid}/${volumeName}`, { claimName });
    await this.refresh(pod, volumeName);
  }

  /** Expands volumes whose claims were enlarged. A failure is reported and retried; the pod keeps running. */
  async refresh(pod: Pod, volumeName: string): Promise<void> {
    const { clock } = this.#options;
    const followed = this.#followed.get(`${pod.metadata.uid}/${volumeName}`);
    if (!followed) return;
    const nowMs = clock.now();
    if (followed.lookAtMs !== undefined && nowMs < followed.lookAtMs) return;
    followed.lookAtMs = nowMs + lookMs;
    const grown = await this.#findGrown(pod.metadata.namespace ?? '', followed.claimName);
    if (grown && !(await this.#fill(pod, volumeName, grown))) followed.lookAtMs = clock.now() + retryAfterMs;
  }

  /** The claim and its volume, when the volume is larger than the claim's recorded capacity. */
  async #findGrown(namespace: string, name: string): Promise<Grown | undefined> {
    const { client, logger } = this.#options;
    try {
      const claim = await client.get(PersistentVolumeClaim, { namespace, name });
      if (!mayHaveGrown(claim)) return undefined;
      const volume = await client.get(PersistentVolume, { name: claim.spec!.volumeName! });
      const capacity = volume.spec?.capacity?.storage;
      // Until the volume itself is larger, there is nothing to grow into.
      return capacity && isLess(claim.status?.capacity?.storage, capacity)
        ? { claim, volume, capacity }
        : undefined;
    } catch (error) {
      // An unavailable server is no failure of the volume.
      logger.info('a claim could not be read', { claim: `${namespace}/${name}`, error });
      return undefined;
    }
  }

  /** False: it failed, which is reported. */
  async #fill(pod: Pod, volumeName: string, { claim, volume, capacity }: Grown): Promise<boolean> {
    const { recorder, logger, node, clock } = this.#options;
    const { name } = volume.metadata;
    try {
      const isGrown = await this.#options.expand(pod, volumeName, volume);
      await this.#note(claim, grownStatus(claim, capacity));
      const text = `MountVolume.NodeExpandVolume succeeded for volume "${name}" ${node().nodeName}`;
      for (const target of isGrown ? [targetOf(Pod, pod), targetOf(PersistentVolumeClaim, claim)] : [])
        recorder.event(target, 'Normal', 'FileSystemResizeSuccessful', text);
      return true;
    } catch (error) {
      logger.info('a volume could not be made larger', { volume: name, error });
      const text = `MountVolume.NodeExpandVolume failed for volume "${name}" : ${(error as Error).message}`;
      recorder.event(targetOf(Pod, pod), 'Warning', 'VolumeResizeFailed', text);
      await this.#noteFailure(claim, failedStatus(claim, error as Error, clock.now()));
      return false;
    }
  }

  /** Undefined: none of the pod's claims is followed. */
  lookDueMs(podUid: string): number | undefined {
    const ofPod = [...this.#followed].filter(([key]) => key.startsWith(`${podUid}/`));
    return leastOf(...ofPod.map(([, { lookAtMs }]) => lookAtMs));
  }

  forget(podUid: string): void {
    for (const key of this.#followed.keys()) if (key.startsWith(`${podUid}/`)) this.#followed.delete(key);
  }

  async #noteFailure(claim: PersistentVolumeClaim, status: object | undefined): Promise<void> {
    if (!status) return;
    try {
      await this.#note(claim, status);
    } catch (error) {
      // The next attempt notes it again.
      this.#options.logger.info('the failure could not be noted', { claim: claim.metadata.name, error });
    }
  }

  async #note(claim: PersistentVolumeClaim, status: object): Promise<void> {
    const { name, namespace = '', uid } = claim.metadata;
    const patch = { metadata: { uid }, status };
    await this.#options.client.patch(PersistentVolumeClaim, { name, namespace }, patch, {
      type: 'merge',
      subresource: 'status',
    });
  }
}

/** Whether the claim asks for more than it has, or a resize is under way. */
function mayHaveGrown(claim: PersistentVolumeClaim): boolean {
  const { spec, status } = claim;
  if (!spec?.volumeName || status?.phase !== 'Bound' || !mayGrowOnNode(claim)) return false;
  return isLess(status.capacity?.storage, spec.resources?.requests?.storage ?? '0');
}

function isLess(held: string | undefined, wanted: string): boolean {
  return held !== undefined && compareQuantities(parseQuantity(held), parseQuantity(wanted)) < 0;
}
