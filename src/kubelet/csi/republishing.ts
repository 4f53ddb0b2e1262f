/** When volumes are to be published again: their drivers ask for that regularly (`requiresRepublish`). */

import type { Clock } from '../../base/clock.ts';
import { leastOf } from '../../base/least-of.ts';

/** About as often as upstream's kubelet syncs a pod. */
const republishMs = 60_000;

export class Republishing {
  readonly #clock: Clock;
  /** By the pod's uid and the volume's name; milliseconds since the epoch. */
  readonly #dueMs = new Map<string, Map<string, number>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  published(podUid: string, name: string): void {
    const ofPod = this.#dueMs.get(podUid) ?? new Map<string, number>();
    this.#dueMs.set(podUid, ofPod.set(name, this.#clock.now() + republishMs));
  }

  /** Of the pod's volumes the first; undefined: none is published again. */
  dueMs(podUid: string): number | undefined {
    return leastOf(...(this.#dueMs.get(podUid)?.values() ?? []));
  }

  isDue(podUid: string, name: string): boolean {
    const dueMs = this.#dueMs.get(podUid)?.get(name);
    return dueMs !== undefined && this.#clock.now() >= dueMs;
  }

  forgetPod(podUid: string): void {
    this.#dueMs.delete(podUid);
  }
}
