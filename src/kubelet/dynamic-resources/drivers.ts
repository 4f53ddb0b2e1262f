/**
 * The drivers of claimed devices registered on this node. A driver that is being replaced has two plugins for a while,
 * the old and the new one; the newest reachable one is used.
 */
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { goQuote } from '../../base/text/go-quote.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import type { PluginInfo } from '../csi/messages.ts';
import type { PluginKind } from '../csi/plugin-registry.ts';
import { type DeviceHealthMessage, driverServices } from './driver-messages.ts';
import { type DriverCall, DriverPlugin } from './driver-plugin.ts';

export interface ClaimDriversOptions {
  clock: Clock;
  logger: Logger;
  /** Stops everything. */
  signal: AbortSignal;
  /** Called on each change: a driver is usable when one of its plugins is reachable. */
  changed(driver: string, state: 'usable' | 'unusable'): void;
  called(call: DriverCall): void;
  /** Undefined: no plugin reports its devices any longer. */
  health(driver: string, devices: readonly DeviceHealthMessage[] | undefined): void;
}

interface Registered {
  plugin: DriverPlugin;
  gone: AbortController;
}

const healthRetryMs = 5_000;

export class ClaimDrivers implements PluginKind {
  readonly #options: ClaimDriversOptions;
  /** By driver, in the order of registration. */
  readonly #drivers = new Map<string, Registered[]>();

  constructor(options: ClaimDriversOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#close(), { once: true });
  }

  /** @throws Error in upstream's words when there is none */
  get(driver: string): DriverPlugin {
    const plugins = (this.#drivers.get(driver) ?? []).map(({ plugin }) => plugin);
    const newest = plugins.findLast(({ isConnected }) => isConnected) ?? plugins.at(-1);
    if (!newest) throw new Error(`DRA driver ${driver} is not registered`);
    return newest;
  }

  /** @throws Error in upstream's words when the plugin cannot be used */
  async register({ name, endpoint, supportedVersions }: PluginInfo): Promise<void> {
    const problem = (why: string) =>
      new Error(
        `invalid supported gRPC versions of DRA driver plugin ${name} at endpoint ${endpoint}: ${why}`,
      );
    if (supportedVersions.length === 0)
      throw problem('empty list of supported gRPC services (aka supported versions)');
    const chosen = supportedVersions.find((version) => Object.hasOwn(driverServices, version));
    if (chosen === undefined)
      throw problem(
        `none of services supported by the plugin (${quoted(supportedVersions)}) are supported by the kubelet (${quoted(Object.keys(driverServices))})`,
      );
    const others = this.#drivers.get(name) ?? [];
    if (others.some(({ plugin }) => plugin.endpoint === endpoint))
      throw new Error(`endpoint ${endpoint} already registered for DRA driver plugin ${name}`);
    const { clock, called, signal } = this.#options;
    const gone = new AbortController();
    const plugin = new DriverPlugin({
      driver: name,
      endpoint,
      service: driverServices[chosen]!,
      clock,
      called,
      connectionChanged: () => this.#tell(name),
    });
    this.#drivers.set(name, [...others, { plugin, gone }]);
    this.#tell(name);
    void this.#followHealth(plugin, AbortSignal.any([signal, gone.signal]));
  }

  async unregister({ name, endpoint }: Pick<PluginInfo, 'name' | 'endpoint'>): Promise<void> {
    const known = this.#drivers.get(name) ?? [];
    const left = known.filter(({ plugin }) => plugin.endpoint !== endpoint);
    if (left.length > 0) this.#drivers.set(name, left);
    else this.#drivers.delete(name);
    for (const each of known) if (!left.includes(each)) end(each);
    this.#tell(name);
  }

  #tell(driver: string): void {
    if (this.#options.signal.aborted) return;
    const plugins = this.#drivers.get(driver) ?? [];
    const isUsable = plugins.some(({ plugin }) => plugin.isConnected);
    this.#options.changed(driver, isUsable ? 'usable' : 'unusable');
  }

  async #followHealth(plugin: DriverPlugin, signal: AbortSignal): Promise<void> {
    const { clock, logger, health } = this.#options;
    const { driver } = plugin;
    while (!signal.aborted) {
      try {
        for await (const devices of plugin.healths(signal)) health(driver, devices);
      } catch (error) {
        // It does not support health monitoring, which only another plugin could change.
        if (error instanceof RuntimeError && error.code === 'Unimplemented') return;
        logger.debug('a driver does not tell of its devices', { driver, error });
      }
      // The plugin that replaces it may be reporting the devices already.
      const others = (this.#drivers.get(driver) ?? []).filter((each) => each.plugin !== plugin);
      if (others.length === 0) health(driver, undefined);
      await pause(clock, healthRetryMs, signal);
    }
  }

  #close(): void {
    for (const plugins of this.#drivers.values()) for (const each of plugins) end(each);
    this.#drivers.clear();
  }
}

function end({ plugin, gone }: Registered): void {
  gone.abort();
  plugin.close();
}

/** As Go prints a list of strings. */
function quoted(words: readonly string[]): string {
  return `[${words.map(goQuote).join(' ')}]`;
}
