/** What is known of a pod's containers, queried again from the runtime when it may have changed. */
import { backoffDelayMs } from '../../base/async/backoff.ts';
import type { KubeletContext } from '../context.ts';
import { nothingObserved, type ObservedPod, observePod } from './pod-observation.ts';

/** Usually CRI knows a moment later; a runtime that cannot record the end, on a full disk, knows only when it could. */
const exitRetry = { firstMs: 4, maxMs: 5_000 };

export class PodView {
  readonly #context: KubeletContext;
  readonly #uid: string;
  #observed: ObservedPod = nothingObserved;
  #isStale = true;
  /** Ends reported by events, with the number of CRI lists since: CRI shows them a moment later. */
  readonly #exits = new Map<string, number>();

  constructor(context: KubeletContext, uid: string) {
    this.#context = context;
    this.#uid = uid;
  }

  get observed(): ObservedPod {
    return this.#observed;
  }

  get hasRunning(): boolean {
    return this.#observed.containers.some(({ state }) => state === 'running');
  }

  invalidate(): void {
    this.#isStale = true;
  }

  /** An event reported that this container or sandbox has ended. */
  noteExit(id: string): void {
    this.#exits.set(id, 0);
    this.#isStale = true;
  }

  /** Queries again, if need be. Returns how soon to repeat that, when CRI does not show yet what events announced. */
  async refresh(): Promise<number | undefined> {
    if (!this.#isStale) return undefined;
    this.#isStale = false;
    const { runtime, machine } = this.#context;
    this.#observed = await observePod(runtime, this.#uid, this.#observed, machine.files.terminationMessage);
    let recheckMs: number | undefined;
    for (const [id, tries] of this.#exits) {
      if (!this.#seemsAlive(id)) {
        this.#exits.delete(id);
        continue;
      }
      this.#exits.set(id, tries + 1);
      this.#isStale = true;
      recheckMs = Math.min(recheckMs ?? exitRetry.maxMs, backoffDelayMs(exitRetry, tries));
    }
    return recheckMs;
  }

  #seemsAlive(id: string): boolean {
    return (
      this.#observed.containers.some((container) => container.id === id && container.state === 'running') ||
      this.#observed.sandboxes.some((sandbox) => sandbox.id === id && sandbox.ready)
    );
  }
}
