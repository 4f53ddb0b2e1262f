/**
 * Tells the workers of pods what changes in the container runtime: as its events say, and as listings show, since events
 * may be missed.
 */
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { pause } from '../../base/clock.ts';
import type { KubeletContext } from '../context.ts';
import type { RuntimeEvent } from '../cri/runtime.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { labels } from './pod-observation.ts';
import type { PodOwners } from './pod-owners.ts';
import type { PodWorker } from './pod-worker.ts';

/** How often everything is listed despite the event stream. */
const relistMs = 60_000;
/** Without events. */
const blindRelistMs = 1_000;
const followRetry = { firstMs: 50, maxMs: 2_000 };

export interface RuntimeFollowerOptions {
  context: Pick<KubeletContext, 'runtime' | 'clock' | 'signal' | 'logger' | 'timings'>;
  owners: PodOwners;
  find(podUid: string): PodWorker | undefined;
  /** After each of the listings that are made from time to time. Never rejects. */
  listed(): Promise<void>;
}

export class RuntimeFollower {
  readonly #options: RuntimeFollowerOptions;
  /** States at the last listing, by id. */
  #states = new Map<string, string>();
  #listedMs: number | undefined;

  constructor(options: RuntimeFollowerOptions) {
    this.#options = options;
  }

  /** Returns the uids of the pods that have a sandbox. */
  async learnOwners(): Promise<ReadonlySet<string>> {
    const { context, owners } = this.#options;
    const [sandboxes, containers] = await Promise.all([
      context.runtime.listPodSandboxes(),
      context.runtime.listContainers(),
    ]);
    const begun = new Set<string>();
    for (const { id, labels: own } of [...sandboxes, ...containers])
      if (own[labels.podUid]) owners.set(id, own[labels.podUid]!);
    for (const { labels: own } of sandboxes) if (own[labels.podUid]) begun.add(own[labels.podUid]!);
    return begun;
  }

  /** Until the signal. */
  async run(): Promise<void> {
    const { runtime, signal, clock, logger } = this.#options.context;
    let canStream = true;
    for (let attempt = 0; !signal.aborted; ) {
      if (!canStream) {
        await pause(clock, blindRelistMs, signal);
        await this.#tryRelist();
        continue;
      }
      const stop = new AbortController();
      const following = AbortSignal.any([stop.signal, signal]);
      try {
        const relisting = this.#relistFromTimeToTime(following);
        const ready = () => {
          attempt = 0;
          void this.#tryRelist();
        };
        for await (const event of runtime.events(following, ready)) this.#take(event);
        stop.abort();
        await relisting;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof RuntimeError && error.code === 'Unimplemented') canStream = false;
        else {
          logger.info('the runtime went away', { error });
          await pause(clock, backoffDelayMs(followRetry, Math.min(attempt++, 8)), signal);
        }
      } finally {
        stop.abort();
      }
    }
  }

  async #relistFromTimeToTime(signal: AbortSignal): Promise<void> {
    const { context, listed } = this.#options;
    while (!signal.aborted) {
      await pause(context.clock, relistMs, signal);
      if (signal.aborted) return;
      await this.#tryRelist();
      await listed();
    }
  }

  #take(event: RuntimeEvent): void {
    const uid = this.#options.owners.podOf(event.id);
    if (uid === undefined) return;
    // A start is our own doing; the worker looks by itself.
    if (event.type === 'exited') this.#options.find(uid)?.runtimeChanged(event.id);
  }

  /** A failure is retried at the next listing. */
  async #tryRelist(): Promise<void> {
    try {
      await this.#relist();
    } catch (error) {
      this.#options.context.logger.debug('the runtime could not be listed', { error });
    }
  }

  /** Finds what changed without an event. */
  async #relist(): Promise<void> {
    const { context, owners, find } = this.#options;
    const { runtime, clock, timings } = context;
    const startMs = clock.monotonic();
    const lastMs = this.#listedMs;
    this.#listedMs = startMs;
    const forgetGone = owners.beforeListing();
    const [sandboxes, containers] = await Promise.all([runtime.listPodSandboxes(), runtime.listContainers()]);
    const now = new Map<string, string>();
    for (const { id, state, labels: own } of [...sandboxes, ...containers]) {
      const uid = own[labels.podUid];
      if (!uid) continue;
      now.set(id, state);
      owners.set(id, uid);
      if (this.#states.get(id) !== state && this.#knownState(uid, id) !== isUp(state))
        find(uid)?.runtimeChanged();
    }
    for (const id of this.#states.keys()) {
      if (now.has(id)) continue;
      const uid = owners.podOf(id);
      if (uid) find(uid)?.runtimeChanged();
    }
    forgetGone((id) => now.has(id));
    this.#states = now;
    const seconds = (ms: number) => ms / 1000;
    timings.relist({
      seconds: seconds(clock.monotonic() - startMs),
      sinceLastSeconds: lastMs === undefined ? undefined : seconds(startMs - lastMs),
      nowMs: clock.now(),
    });
  }

  /** What its pod's worker believes. Undefined: it does not know of it. */
  #knownState(podUid: string, id: string): boolean | undefined {
    const observed = this.#options.find(podUid)?.observed;
    const container = observed?.containers.find((candidate) => candidate.id === id);
    if (container) return container.state === 'running';
    return observed?.sandboxes.find((candidate) => candidate.id === id)?.ready;
  }
}

function isUp(state: string): boolean {
  return state === 'CONTAINER_RUNNING' || state === 'SANDBOX_READY';
}
