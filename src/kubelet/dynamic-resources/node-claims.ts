/** Connects the parts that serve claimed devices on a node: drivers, what they prepared, and the devices' health. */
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import type { ClaimMetrics } from './claim-metrics.ts';
import { ClaimRecords } from './claim-records.ts';
import { type DeviceHealth, DeviceHealths } from './device-health.ts';
import { ClaimDrivers } from './drivers.ts';
import { DynamicResources } from './dynamic-resources.ts';
import { SliceWiping } from './slice-wiping.ts';

/** What pods need of it. */
export interface ClaimedDevices
  extends Pick<
    DynamicResources,
    'holds' | 'isPrepared' | 'prepare' | 'unprepare' | 'tidy' | 'cdiDevicesOf' | 'claimsOf'
  > {
  healthOf(driver: string, pool: string, device: string): DeviceHealth;
}

/** For simulated nodes: their devices are as real as their containers. */
export const noClaimedDevices: ClaimedDevices = {
  holds: () => false,
  isPrepared: () => true,
  prepare: async () => undefined,
  unprepare: async () => undefined,
  tidy: async () => undefined,
  cdiDevicesOf: () => [],
  claimsOf: () => [],
  healthOf: () => ({ health: 'Unknown' }),
};

export interface NodeClaimsOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  nodeName: string;
  /** The kubelet's. */
  rootDir: string;
  /** Stops everything. */
  signal: AbortSignal;
  metrics: ClaimMetrics;
  /** Called when pods, including ended ones, may have been waiting for a driver. */
  driverCame(): void;
  /** Called when the reported health of these pods' devices has changed. */
  healthChanged(podUids: readonly string[]): void;
}

export class NodeClaims {
  readonly drivers: ClaimDrivers;
  readonly devices: ClaimedDevices;
  readonly #records: ClaimRecords;
  readonly #wiping: SliceWiping;

  constructor(options: NodeClaimsOptions) {
    const { client, clock, logger, rootDir, signal, metrics } = options;
    const records = new ClaimRecords(join(rootDir, 'dra_manager_state'), logger);
    const healths = new DeviceHealths(clock, (driver) =>
      options.healthChanged([...records.all()].flatMap((each) => (each.devices[driver] ? each.podUids : []))),
    );
    signal.addEventListener('abort', () => healths.close(), { once: true });
    this.#records = records;
    this.#wiping = new SliceWiping(options);
    this.drivers = new ClaimDrivers({
      clock,
      logger,
      signal,
      called: metrics.called,
      health: (driver, devices) => healths.note(driver, devices),
      changed: (driver, state) => {
        if (state === 'unusable') return this.#wiping.driverWent(driver);
        this.#wiping.driverCame(driver);
        options.driverCame();
      },
    });
    const resources = new DynamicResources({
      client,
      clock,
      logger,
      records,
      drivers: this.drivers,
      took: metrics.took,
    });
    metrics.watch(() => resources.inUse());
    this.devices = {
      holds: (uid) => resources.holds(uid),
      isPrepared: (pod) => resources.isPrepared(pod),
      prepare: (pod, interrupt) => resources.prepare(pod, interrupt),
      unprepare: (uid) => resources.unprepare(uid),
      tidy: (isActive) => resources.tidy(isActive),
      cdiDevicesOf: (pod, container) => resources.cdiDevicesOf(pod, container),
      claimsOf: (pod, container) => resources.claimsOf(pod, container),
      healthOf: (driver, pool, device) => healths.of(driver, pool, device),
    };
  }

  /** Before any pod is handled. No driver is connected yet, so what they offered before no longer counts. */
  async start(): Promise<void> {
    await this.#records.load();
    void this.#wiping.wipeAll();
  }
}
