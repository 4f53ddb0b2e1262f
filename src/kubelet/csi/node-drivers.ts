/** The CSI drivers of this node: which are registered, and their entries in the node's CSINode object. */
import { type CSIDriver, CSINode, Node } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import type * as storage from '../../api/types/storage-v1.gen.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informers/informer.ts';
import type { CsiCallObserver } from './csi-metrics.ts';
import { DriverClient } from './driver-client.ts';
import type { NodeInfo, PluginInfo } from './messages.ts';
import type { PluginKind } from './plugin-registry.ts';
import { VolumeLimits } from './volume-limits.ts';

export interface NodeDriversOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  nodeName: string;
  /** The Node object, which owns the CSINode; undefined until it is known. */
  node(): Node | undefined;
  /** CSIDriver objects, followed from the first call on. */
  driverObjects(): Informer<CSIDriver>;
  /** A driver's answer to a call. */
  called: CsiCallObserver;
  /** Called when pods may have been waiting for the driver. */
  changed(): void;
}

const nodeIdAnnotation = 'csi.volume.kubernetes.io/nodeid';
const retry = { firstMs: 100, maxMs: 10_000 };
const conflictTriesMax = 10;

export class NodeDrivers implements PluginKind {
  readonly #options: NodeDriversOptions;
  readonly #drivers = new Map<string, DriverClient>();
  readonly #limits: VolumeLimits;
  /** Changes of the node's objects are made one at a time. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: NodeDriversOptions) {
    this.#options = options;
    this.#limits = new VolumeLimits({ ...options, refresh: (name) => this.refreshLimit(name) });
  }

  /** @throws Error in upstream's words */
  get(name: string): DriverClient {
    const found = this.#drivers.get(name);
    if (!found) throw new Error(`driver name ${name} not found in the list of registered CSI drivers`);
    return found;
  }

  /** @throws Error in upstream's words when the plugin cannot be used */
  async register({ name, endpoint, supportedVersions }: PluginInfo): Promise<void> {
    if (!supportedVersions.some((version) => /^v?1(\.|$)/.test(version)))
      throw new Error(
        `RegisterPlugin error -- failed to validate plugin with name ${name} at ${endpoint}; err=none of the CSI versions reported by this driver are supported by kubelet`,
      );
    const { clock, called } = this.#options;
    const driver = new DriverClient({
      name,
      endpoint,
      clock,
      called: (method, code, seconds) => called({ driver: name, method, code, seconds }),
    });
    try {
      const info = await driver.info();
      if (!info.nodeId) throw new Error(`the driver ${name} gave no id of the node`);
      await this.#write(() => this.#announce(name, info));
    } catch (error) {
      driver.close();
      throw error;
    }
    this.#drivers.get(name)?.close();
    this.#drivers.set(name, driver);
    this.#limits.follow(name);
    this.#options.changed();
  }

  /** A driver that another has replaced changes nothing. */
  async unregister({ name, endpoint }: Pick<PluginInfo, 'name' | 'endpoint'>): Promise<void> {
    const known = this.#drivers.get(name);
    if (known && known.endpoint !== endpoint) return;
    known?.close();
    this.#drivers.delete(name);
    this.#limits.forget(name);
    await this.#write(() => this.#withdraw(name));
  }

  /** The object exists even without any driver: it tells the scheduler that the node has none. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt = Math.min(attempt + 1, 8)) {
      try {
        if (await this.#write(() => this.#ensure())) return;
      } catch (error) {
        logger.debug('the CSINode object could not be made', { error });
      }
      await pause(clock, backoffDelayMs(retry, attempt), signal);
    }
  }

  close(): void {
    this.#limits.close();
    for (const driver of this.#drivers.values()) driver.close();
    this.#drivers.clear();
  }

  #write<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#writing.then(work, work);
    this.#writing = next.catch(() => undefined);
    return next;
  }

  async #ensure(): Promise<CSINode | undefined> {
    const { client, nodeName, node } = this.#options;
    const found = await client
      .get(CSINode, { name: nodeName })
      .catch((error: unknown) => undefinedIf(error, 404));
    if (found) return found;
    const owner = node();
    if (!owner) return undefined;
    const { uid } = owner.metadata;
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }];
    const spec = { drivers: [] };
    const made = { metadata: { name: nodeName, ownerReferences }, spec };
    return client.create(CSINode, made).catch((error: unknown) => undefinedIf(error, 409));
  }

  /** Asks the driver again how many volumes the node takes. @throws Error */
  async refreshLimit(name: string): Promise<void> {
    const { maxVolumesPerNode } = await this.get(name).info();
    const renewed = ({ allocatable: _, ...own }: storage.CSINodeDriver) => ({
      ...own,
      ...allocatableOf(maxVolumesPerNode),
    });
    await this.#write(() => this.#change((others, own) => (own ? [...others, renewed(own)] : others), name));
  }

  async #announce(name: string, info: NodeInfo): Promise<void> {
    const { client, nodeName } = this.#options;
    const segments = info.accessibleTopology?.segments ?? {};
    const driver: storage.CSINodeDriver = {
      name,
      nodeID: info.nodeId,
      topologyKeys: Object.keys(segments).sort(),
      ...allocatableOf(info.maxVolumesPerNode),
    };
    // Of an existing entry only that number can be changed: another one replaces it.
    const isKept = (own: storage.CSINodeDriver) => isSame([withoutLimit(own)], [withoutLimit(driver)]);
    await this.#change((others, own) => (own && isKept(own) ? [...others, own] : others), name);
    await this.#change((others) => [...others, driver], name);
    const node = await client.get(Node, { name: nodeName });
    for (const [key, value] of Object.entries(segments)) {
      const present = node.metadata.labels?.[key];
      if (present !== undefined && present !== value)
        throw new Error(
          `detected topology value collision: driver reported "${key}":"${value}" but existing label is "${key}":"${present}"`,
        );
    }
    const ids = { ...nodeIds(node), [name]: info.nodeId };
    await this.#label(segments, ids);
  }

  async #withdraw(name: string): Promise<void> {
    const { client, nodeName } = this.#options;
    await this.#change((others) => others, name);
    const ids = nodeIds(await client.get(Node, { name: nodeName }));
    delete ids[name];
    await this.#label({}, ids);
  }

  async #label(labels: Record<string, string>, ids: Record<string, string>): Promise<void> {
    const { client, nodeName } = this.#options;
    const text = Object.keys(ids).length > 0 ? JSON.stringify(ids) : null;
    const patch = { metadata: { labels, annotations: { [nodeIdAnnotation]: text } } };
    await client.patch(Node, { name: nodeName }, patch, { type: 'strategic' });
  }

  async #change(
    next: (others: storage.CSINodeDriver[], own?: storage.CSINodeDriver) => storage.CSINodeDriver[],
    name: string,
  ): Promise<void> {
    const { client } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const current = await this.#ensure();
      if (!current && attempt < conflictTriesMax) continue;
      if (!current) throw new Error('the node is not registered yet');
      const present = current.spec?.drivers ?? [];
      const own = present.find((driver) => driver.name === name);
      const drivers = next(
        present.filter((driver) => driver !== own),
        own,
      );
      if (isSame(drivers, present)) return;
      try {
        await client.update(CSINode, { ...current, spec: { ...current.spec, drivers } });
        return;
      } catch (error) {
        if (attempt >= conflictTriesMax || !(error instanceof StatusError) || error.code !== 409) throw error;
      }
    }
  }
}

/** Drivers that give no number take any. */
function allocatableOf(maxVolumes: number): Pick<storage.CSINodeDriver, 'allocatable'> {
  return maxVolumes > 0 ? { allocatable: { count: maxVolumes } } : {};
}

function withoutLimit({ allocatable: _, ...driver }: storage.CSINodeDriver): storage.CSINodeDriver {
  return driver;
}

function isSame(left: readonly storage.CSINodeDriver[], right: readonly storage.CSINodeDriver[]): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));
}

function sorted(drivers: readonly storage.CSINodeDriver[]): storage.CSINodeDriver[] {
  return drivers
    .map(({ name, nodeID, topologyKeys, allocatable }) => ({
      name,
      nodeID,
      topologyKeys: topologyKeys ?? [],
      ...(allocatable && { allocatable }),
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

function nodeIds({ metadata }: Node): Record<string, string> {
  const text = metadata.annotations?.[nodeIdAnnotation];
  try {
    return text ? (JSON.parse(text) as Record<string, string>) : {};
  } catch {
    // Written by another client: replaced by what this node knows.
    return {};
  }
}

function undefinedIf(error: unknown, code: number): undefined {
  if (error instanceof StatusError && error.code === code) return undefined;
  throw error;
}
