/**
 * Device plugins: programs of the node that offer extended resources over gRPC. They register at the kubelet's socket,
 * list their devices, and say what a container needs to use those it was given.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, credentials, status as grpcStatus, Server } from '@grpc/grpc-js';
import { wholeValueOf } from '../../api/quantities/quantity.ts';
import { isOfClaimedDevices } from '../../api/resource/pod-claims.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { KeyTurns } from '../../base/async/key-turns.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { asRuntimeError } from '../cri/runtime-error.ts';
import { listenOnSocket, methodDefinition } from '../grpc/socket-server.ts';
import {
  type DeviceAllocator,
  type DeviceGrant,
  type DeviceInventory,
  type KnownDevice,
  noGrant,
} from './device-allocator.ts';
import { type Assignment, DeviceAssignments } from './device-assignments.ts';
import type { DeviceMetrics } from './device-metrics.ts';
import {
  type ContainerAllocateResponse,
  codec,
  type PluginDevice,
  type RegisterRequest,
} from './plugin-messages.ts';

export interface DevicePluginOptions {
  /** `/var/lib/kubelet/device-plugins`: plugins expect the socket `kubelet.sock` in it. */
  folder: string;
  logger: Logger;
  /** Amounts changed: the node's status should be updated. */
  changed(): void;
  /** Devices of these pods have become healthy or unhealthy. */
  healthChanged?(podUids: readonly string[]): void;
  clock?: Pick<Clock, 'monotonic'>;
  metrics?: Pick<DeviceMetrics, 'registered' | 'allocated'>;
}

interface Plugin {
  resourceName: string;
  client: Client;
  preStart: boolean;
  hasPreference: boolean;
  devices: Map<string, { isHealthy: boolean; numaNodes: readonly number[] }>;
  /** When its connection ended; undefined: it is connected. */
  goneSinceMs: number | undefined;
}

interface WantedDevices {
  resourceName: string;
  count: number;
}

const callTimeoutMs = 10_000;
/** As upstream: the devices of a plugin that went away count as present for so long, though as unhealthy. */
const goneAfterMs = 300_000;
const apiVersion = 'v1beta1';

export class DevicePlugins implements DeviceAllocator, DeviceInventory {
  readonly #options: DevicePluginOptions;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #plugins = new Map<string, Plugin>();
  readonly #assignments: DeviceAssignments;
  /**
   * By resource: allocations are made one at a time, since devices chosen for a container are not taken until the
   * plugin has agreed.
   */
  readonly #turns = new KeyTurns();

  constructor(options: DevicePluginOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#assignments = new DeviceAssignments(join(options.folder, 'assignments.json'), options.logger);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    await this.#assignments.load();
    const socket = join(folder, 'kubelet.sock');
    const server = new Server();
    const path = `/${apiVersion}.Registration/Register`;
    server.addService(
      { Register: methodDefinition(codec, { path, request: 'RegisterRequest', answer: 'Empty' }) },
      {
        Register: (
          call: { request: RegisterRequest },
          reply: (error: object | null, answer?: object) => void,
        ) => {
          if (call.request.version !== apiVersion) {
            const details = `requested API version ${call.request.version} is not supported by kubelet. Supported version is ["${apiVersion}"]`;
            reply({ code: grpcStatus.INVALID_ARGUMENT, details });
            return;
          }
          reply(null, {});
          void this.#follow(call.request, signal);
        },
      } as never,
    );
    // Plugins watch for a new socket and register again.
    await listenOnSocket(server, socket);
    signal.addEventListener('abort', () => server.forceShutdown(), { once: true });
  }

  resources(): Record<string, { capacity: number; allocatable: number }> {
    const amounts: Record<string, { capacity: number; allocatable: number }> = {};
    // After a restart of the kubelet, a resource is unavailable until its plugin comes back.
    for (const name of this.#assignments.resources) amounts[name] = { capacity: 0, allocatable: 0 };
    for (const plugin of this.#plugins.values()) {
      const capacity = this.#isGone(plugin) ? 0 : plugin.devices.size;
      amounts[plugin.resourceName] = { capacity, allocatable: healthyDevices(plugin).length };
    }
    return amounts;
  }

  #isGone({ goneSinceMs }: Plugin): boolean {
    return goneSinceMs !== undefined && this.#clock.monotonic() - goneSinceMs > goneAfterMs;
  }

  async reserve(pod: Pod, hasLeft: (podUid: string) => boolean): Promise<void> {
    const { initContainers = [], containers } = pod.spec;
    const users = [...initContainers, ...containers].filter((each) => this.#wantedBy(pod, each).length > 0);
    if (users.length === 0) return;
    await this.#assignments.releaseAll(hasLeft);
    try {
      for (const container of users)
        for (const wanted of this.#wantedBy(pod, container)) await this.#assign(pod, container, wanted);
    } catch (error) {
      await this.#assignments.release(pod.metadata.uid);
      throw error;
    }
  }

  async allocate(pod: Pod, container: core.Container): Promise<DeviceGrant> {
    const wanted = this.#wantedBy(pod, container);
    if (wanted.length === 0) return noGrant;
    const grant: DeviceGrant = { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] };
    for (const each of wanted) {
      const held = await this.#assign(pod, container, each);
      const plugin = this.#plugins.get(each.resourceName);
      if (plugin?.preStart && plugin.goneSinceMs === undefined)
        await call(plugin.client, 'PreStartContainer', ['PreStartContainerRequest', 'Empty'], {
          devicesIDs: held.ids,
        });
      addGrant(grant, held.grant);
    }
    return grant;
  }

  #wantedBy(pod: Pod, container: core.Container): WantedDevices[] {
    return Object.entries(container.resources?.limits ?? {}).flatMap(([resourceName, amount]) =>
      this.#assignments.resources.has(resourceName) && !isOfClaimedDevices(pod, container, resourceName)
        ? [{ resourceName, count: wholeValueOf(amount) }]
        : [],
    );
  }

  /** The devices that the container has, or gets now. */
  #assign(pod: Pod, container: core.Container, wanted: WantedDevices): Promise<Assignment> {
    return this.#turns.take([wanted.resourceName], () => this.#assignInTurn(pod, container, wanted));
  }

  ofContainer(podUid: string, container: string): KnownDevice[] {
    return this.#assignments.ofContainer(podUid, container).flatMap(([resourceName, ids]) => {
      const devices = this.#plugins.get(resourceName)?.devices;
      return ids.map((id) => {
        const { numaNodes = [], isHealthy = true } = devices?.get(id) ?? {};
        return { resourceName, id, numaNodes, isHealthy };
      });
    });
  }

  offered(): KnownDevice[] {
    return [...this.#plugins.values()].flatMap((plugin) =>
      healthyDevices(plugin).map(([id, facts]) => ({ resourceName: plugin.resourceName, id, ...facts })),
    );
  }

  release(podUid: string): void {
    void this.#assignments.release(podUid);
  }

  tidy(isWanted: (podUid: string) => boolean): Promise<void> {
    return this.#assignments.releaseAll((uid) => !isWanted(uid));
  }

  async #assignInTurn(
    pod: Pod,
    container: core.Container,
    { resourceName, count }: WantedDevices,
  ): Promise<Assignment> {
    const { uid } = pod.metadata;
    const found = this.#assignments.find(uid, container.name, resourceName);
    if (found) return found;
    const plugin = this.#plugins.get(resourceName);
    if (!plugin || healthyDevices(plugin).length === 0)
      throw new Error(`no healthy devices present; cannot allocate unhealthy devices ${resourceName}`);
    const ids = await this.#choose(plugin, count, this.#assignments.reusable(pod, resourceName));
    const held = { ids, grant: await this.#ask(plugin, ids) };
    await this.#assignments.assign(uid, container.name, resourceName, held);
    return held;
  }

  /** `reusable`: devices of the same pod that are no longer in use. */
  async #choose(plugin: Plugin, count: number, reusable: readonly string[]): Promise<string[]> {
    const { resourceName } = plugin;
    const taken = this.#assignments.taken(resourceName);
    const isHealthy = (id: string) => plugin.devices.get(id)?.isHealthy ?? false;
    const own = reusable.filter(isHealthy).slice(0, count);
    const free = [...plugin.devices.keys()].filter((id) => isHealthy(id) && !taken.has(id));
    const available = own.length + free.length;
    if (available < count)
      throw new Error(
        `requested number of devices unavailable for ${resourceName}. Requested: ${count}, Available: ${available}`,
      );
    if (own.length === count) return own;
    const preferred = plugin.hasPreference ? await this.#preferred(plugin, count, own, free) : [];
    return [...new Set([...own, ...preferred, ...free])].slice(0, count);
  }

  /** The plugin knows which devices go well together; its preference counts as far as it names free ones. */
  async #preferred(plugin: Plugin, count: number, own: string[], free: string[]): Promise<string[]> {
    const { containerResponses } = await call<{ containerResponses: { deviceIDs: string[] }[] }>(
      plugin.client,
      'GetPreferredAllocation',
      ['PreferredAllocationRequest', 'PreferredAllocationResponse'],
      {
        containerRequests: [
          { availableDeviceIDs: [...own, ...free], mustIncludeDeviceIDs: own, allocationSize: count },
        ],
      },
    );
    const available = new Set(free);
    return (containerResponses[0]?.deviceIDs ?? []).filter((id) => available.has(id));
  }

  async #ask(plugin: Plugin, devicesIDs: readonly string[]): Promise<ContainerAllocateResponse> {
    const { metrics } = this.#options;
    const startMs = this.#clock.monotonic();
    const allocating = call<{ containerResponses: ContainerAllocateResponse[] }>(
      plugin.client,
      'Allocate',
      ['AllocateRequest', 'AllocateResponse'],
      { containerRequests: [{ devicesIDs }] },
    );
    const { containerResponses } = await allocating.finally(() =>
      metrics?.allocated(plugin.resourceName, (this.#clock.monotonic() - startMs) / 1000),
    );
    const [answer] = containerResponses;
    if (!answer) throw new Error(`the device plugin of ${plugin.resourceName} gave no allocation`);
    return answer;
  }

  async #follow({ endpoint, resourceName, options }: RegisterRequest, signal: AbortSignal): Promise<void> {
    const { logger, folder, changed, healthChanged } = this.#options;
    const socket = endpoint.startsWith('/') ? endpoint : join(folder, endpoint);
    const client = new Client(`unix://${socket}`, credentials.createInsecure());
    const plugin: Plugin = {
      resourceName,
      client,
      preStart: options?.preStartRequired ?? false,
      hasPreference: options?.getPreferredAllocationAvailable ?? false,
      devices: this.#plugins.get(resourceName)?.devices ?? new Map(),
      goneSinceMs: undefined,
    };
    this.#plugins.get(resourceName)?.client.close();
    this.#plugins.set(resourceName, plugin);
    await this.#assignments.offered(resourceName);
    // It has registered again meanwhile, which closed this connection, or the node is stopping.
    if (this.#plugins.get(resourceName) !== plugin || signal.aborted) return client.close();
    const stream = client.makeServerStreamRequest(
      `/${apiVersion}.DevicePlugin/ListAndWatch`,
      codec<object>('Empty').serialize,
      codec<{ devices: PluginDevice[] }>('ListAndWatchResponse').deserialize,
      {},
    );
    const cancel = () => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    logger.info('a device plugin registered', { resource: resourceName });
    this.#options.metrics?.registered(resourceName);
    try {
      for await (const { devices } of stream as AsyncIterable<{ devices: PluginDevice[] }>) {
        const before = plugin.devices;
        plugin.devices = new Map(devices.map((device) => [device.ID, factsOf(device)]));
        changed();
        const other = [...before].flatMap(([id, { isHealthy }]) =>
          (plugin.devices.get(id)?.isHealthy ?? true) === isHealthy ? [] : [id],
        );
        if (other.length > 0) healthChanged?.(this.#assignments.usersOf(resourceName, other));
      }
    } catch (error) {
      if (!signal.aborted) logger.warn('a device plugin went away', { resource: resourceName, error });
    }
    signal.removeEventListener('abort', cancel);
    plugin.goneSinceMs = this.#clock.monotonic();
    client.close();
    if (!signal.aborted) changed();
  }
}

/** None of a plugin that went away. */
function healthyDevices({ goneSinceMs, devices }: Plugin) {
  return goneSinceMs === undefined ? [...devices].filter(([, { isHealthy }]) => isHealthy) : [];
}

function factsOf({ health, topology }: PluginDevice) {
  return { isHealthy: health === 'Healthy', numaNodes: topology?.nodes.map(({ ID }) => ID) ?? [] };
}

function addGrant(grant: DeviceGrant, answer: ContainerAllocateResponse): void {
  Object.assign(grant.envs, answer.envs);
  Object.assign(grant.annotations, answer.annotations);
  grant.mounts.push(
    ...answer.mounts.map(({ containerPath, hostPath, readOnly }) => ({
      containerPath,
      hostPath,
      readonly: readOnly,
    })),
  );
  grant.devices.push(...answer.devices);
  grant.cdiDevices.push(...answer.cdiDevices.map(({ name }) => name));
}

function call<Answer>(
  client: Client,
  method: string,
  [requestType, answerType]: readonly [string, string],
  request: object,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/${apiVersion}.DevicePlugin/${method}`,
      codec<object>(requestType).serialize,
      codec<Answer>(answerType).deserialize,
      request,
      { deadline: Date.now() + callTimeoutMs },
      (error, answer) => (error ? reject(asRuntimeError(error)) : resolve(answer as Answer)),
    );
  });
}
