/**
 * Takes back what drivers of this node have offered when they are not there to make it good: of all drivers when the
 * kubelet starts, later of one that stays away. Drivers that are there publish theirs anew.
 */
import { ResourceSlice } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { backoffDelayMs } from '../../base/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';

export interface SliceWipingOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  nodeName: string;
  /** Ends everything. */
  signal: AbortSignal;
}

/** Upstream's: long enough for a pod to be replaced by the next, short enough that few pods are sent to what is gone. */
const patienceMs = 30_000;
const retry = { firstMs: 1_000, maxMs: 300_000 };

export class SliceWiping {
  readonly #options: SliceWipingOptions;
  /** Of drivers that are away. */
  readonly #pending = new Map<string, AbortController>();

  constructor(options: SliceWipingOptions) {
    this.#options = options;
  }

  /** Whatever any driver of the node has offered; resolves when it is gone. */
  async wipeAll(): Promise<void> {
    await this.#wipe(undefined, this.#options.signal);
  }

  driverWent(driver: string): void {
    // Whoever is away already has no longer for having gone once more.
    if (this.#pending.has(driver)) return;
    const back = new AbortController();
    this.#pending.set(driver, back);
    void this.#wipeLater(driver, AbortSignal.any([this.#options.signal, back.signal]));
  }

  driverCame(driver: string): void {
    this.#pending.get(driver)?.abort();
    this.#pending.delete(driver);
  }

  async #wipeLater(driver: string, signal: AbortSignal): Promise<void> {
    await pause(this.#options.clock, patienceMs, signal);
    await this.#wipe(driver, signal);
    if (!signal.aborted) this.#pending.delete(driver);
  }

  async #wipe(driver: string | undefined, signal: AbortSignal): Promise<void> {
    const { client, clock, logger, nodeName } = this.#options;
    const fieldSelector = `spec.nodeName=${nodeName}${driver === undefined ? '' : `,spec.driver=${driver}`}`;
    for (let attempt = 0; !signal.aborted; attempt = Math.min(attempt + 1, 16)) {
      try {
        await client
          .deleteCollection(ResourceSlice, { fieldSelector }, { signal })
          .catch(undefinedIfNotFound);
        logger.info('what drivers of devices have offered is taken back', { driver: driver ?? 'all' });
        return;
      } catch (error) {
        if (!signal.aborted) logger.info('the offers of drivers cannot be taken back yet', { error });
      }
      await pause(clock, backoffDelayMs(retry, attempt), signal);
    }
  }
}
