/**
 * Deletes the ResourceSlices of drivers of this node that are absent and so cannot honour them: of all drivers when the
 * kubelet starts, later of a driver that stays away. Drivers that are present publish theirs again.
 */
import { ResourceSlice } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';

export interface SliceWipingOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  nodeName: string;
  /** Stops everything. */
  signal: AbortSignal;
}

/**
 * Upstream's: long enough for a driver's pod to be replaced, short enough that few pods are sent to devices that are
 * gone.
 */
const patienceMs = 30_000;
const retry = { firstMs: 1_000, maxMs: 300_000 };

export class SliceWiping {
  readonly #options: SliceWipingOptions;
  /** By absent driver. */
  readonly #pending = new Map<string, AbortController>();

  constructor(options: SliceWipingOptions) {
    this.#options = options;
  }

  /** Deletes all slices of any driver of the node; resolves when they are gone. */
  async wipeAll(): Promise<void> {
    await this.#wipe(undefined, this.#options.signal);
  }

  driverWent(driver: string): void {
    // Another disconnection does not extend the time of a driver that is already absent.
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
