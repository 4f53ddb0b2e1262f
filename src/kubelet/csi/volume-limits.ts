/**
 * Has a driver asked again and again how many volumes the node takes, where its CSIDriver object wants that: the number
 * changes with what else is attached to the machine.
 */
import type { CSIDriver } from '../../api/resources.gen.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Informer } from '../../client/informers/informer.ts';

export interface VolumeLimitsOptions {
  clock: Clock;
  logger: Logger;
  /** Called when the first driver registers: nodes without drivers follow none. */
  driverObjects(): Informer<CSIDriver>;
  refresh(driverName: string): Promise<void>;
}

export class VolumeLimits {
  readonly #options: VolumeLimitsOptions;
  /** Registered drivers, with how often each is asked; undefined: never. */
  readonly #drivers = new Map<string, { periodMs: number; timer: Timer } | undefined>();
  #objects: Informer<CSIDriver> | undefined;

  constructor(options: VolumeLimitsOptions) {
    this.#options = options;
  }

  follow(driverName: string): void {
    this.#drivers.get(driverName)?.timer.cancel();
    this.#drivers.set(driverName, undefined);
    if (this.#objects) this.#arm(driverName);
    else this.#followObjects();
  }

  forget(driverName: string): void {
    this.#drivers.get(driverName)?.timer.cancel();
    this.#drivers.delete(driverName);
  }

  close(): void {
    for (const name of [...this.#drivers.keys()]) this.forget(name);
  }

  #followObjects(): void {
    this.#objects = this.#options.driverObjects();
    const changed = ({ metadata }: CSIDriver) => this.#arm(metadata.name);
    this.#objects.handle({ added: changed, updated: changed, deleted: changed });
  }

  #arm(driverName: string): void {
    if (!this.#drivers.has(driverName)) return;
    const known = this.#drivers.get(driverName);
    const { nodeAllocatableUpdatePeriodSeconds: seconds } = this.#objects?.get(driverName)?.spec ?? {};
    const periodMs = (seconds ?? 0) * 1000;
    if (periodMs === (known?.periodMs ?? 0)) return;
    known?.timer.cancel();
    this.#drivers.set(driverName, periodMs > 0 ? this.#askLater(driverName, periodMs) : undefined);
  }

  #askLater(driverName: string, periodMs: number): { periodMs: number; timer: Timer } {
    const { clock, logger, refresh } = this.#options;
    const ask = async () => {
      try {
        await refresh(driverName);
      } catch (error) {
        logger.warn('a driver does not say how many volumes the node takes', { driver: driverName, error });
      }
      if (this.#drivers.get(driverName) === entry) entry.timer = clock.after(periodMs, ask);
    };
    const entry = { periodMs, timer: clock.after(periodMs, ask) };
    return entry;
  }
}
