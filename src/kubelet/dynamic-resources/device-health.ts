/**
 * The health of the node's claimed devices, as reported by their drivers. Without reports for too long it is unknown.
 */
import type { Clock } from '../../base/clock.ts';
import { WakeTimer } from '../pod/wake-timer.ts';
import type { DeviceHealthMessage } from './driver-messages.ts';

export interface DeviceHealth {
  health: 'Healthy' | 'Unhealthy' | 'Unknown';
  message?: string;
}

interface Report extends DeviceHealth {
  /** Until when the report is valid, by the monotonic clock. */
  untilMs: number;
}

const defaultTimeoutSeconds = 30;
/** The API accepts no more; this limit, and what replaces the rest of a message, are upstream's. */
const messageMax = 1024;
const cutMark = '...';
const unknown: DeviceHealth = { health: 'Unknown' };

export class DeviceHealths {
  readonly #clock: Clock;
  readonly #changed: (driver: string) => void;
  readonly #timer: WakeTimer;
  /** By driver, then by `pool/device`. */
  readonly #reports = new Map<string, Map<string, Report>>();

  constructor(clock: Clock, changed: (driver: string) => void) {
    this.#clock = clock;
    this.#changed = changed;
    this.#timer = new WakeTimer(clock, () => this.#expire());
  }

  of(driver: string, pool: string, device: string): DeviceHealth {
    const report = this.#reports.get(driver)?.get(`${pool}/${device}`);
    if (!report || report.untilMs <= this.#clock.monotonic()) return unknown;
    const { health, message } = report;
    return { health, ...(message && { message }) };
  }

  /** Undefined: the driver has stopped reporting. Devices missing from a report keep their health until it expires. */
  note(driver: string, devices: readonly DeviceHealthMessage[] | undefined): void {
    if (!devices) {
      if (this.#reports.delete(driver)) this.#changed(driver);
      return;
    }
    const known = this.#reports.get(driver) ?? new Map<string, Report>();
    this.#reports.set(driver, known);
    let changed = false;
    for (const message of devices) {
      const { poolName = '', deviceName = '' } = message.device ?? {};
      const before = this.of(driver, poolName, deviceName);
      const report = reportOf(message, this.#clock.monotonic());
      known.set(`${poolName}/${deviceName}`, report);
      if (before.health !== report.health || before.message !== report.message) changed = true;
      this.#timer.within(report.untilMs - this.#clock.monotonic());
    }
    if (changed) this.#changed(driver);
  }

  close(): void {
    this.#timer.cancel();
  }

  #expire(): void {
    const nowMs = this.#clock.monotonic();
    for (const [driver, devices] of this.#reports) {
      const expired = [...devices].filter(([, { untilMs }]) => untilMs <= nowMs);
      for (const [key] of expired) devices.delete(key);
      for (const { untilMs } of devices.values()) this.#timer.within(untilMs - nowMs);
      if (expired.length > 0) this.#changed(driver);
    }
  }
}

function reportOf(
  { health, message, healthCheckTimeoutSeconds }: DeviceHealthMessage,
  nowMs: number,
): Report {
  const seconds = healthCheckTimeoutSeconds > 0 ? healthCheckTimeoutSeconds : defaultTimeoutSeconds;
  return {
    health: ({ 1: 'Healthy', 2: 'Unhealthy' } as const)[health] ?? 'Unknown',
    ...(message && { message: shortened(message) }),
    untilMs: nowMs + seconds * 1000,
  };
}

function shortened(message: string): string {
  return message.length <= messageMax ? message : message.slice(0, messageMax - cutMark.length) + cutMark;
}
