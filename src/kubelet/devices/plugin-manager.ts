/**
 * Device plugins: programs of the node that offer extended resources over gRPC. They register at the kubelet's socket,
 * list their devices, and say what a container needs to use those it was given.
 */

import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, credentials, status as grpcStatus, Server, ServerCredentials } from '@grpc/grpc-js';
import { wholeValueOf } from '../../api/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Logger } from '../../base/logger.ts';
import { type DeviceAllocator, type DeviceGrant, noGrant } from './device-allocator.ts';
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
  /** Amounts changed: the node's status is to be written. */
  changed(): void;
}

interface Plugin {
  resourceName: string;
  client: Client;
  preStart: boolean;
  devices: Map<string, boolean>;
  connected: boolean;
}

/** Devices given to a container, by resource. */
type Assigned = Record<string, string[]>;

const callTimeoutMs = 10_000;
const apiVersion = 'v1beta1';

export class DevicePlugins implements DeviceAllocator {
  readonly #options: DevicePluginOptions;
  readonly #plugins = new Map<string, Plugin>();
  /** By `podUid/container`. */
  readonly #assigned = new Map<string, Assigned>();
  readonly #server = new Server();
  #saving: Promise<void> = Promise.resolve();

  constructor(options: DevicePluginOptions) {
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    await this.#load();
    const socket = join(folder, 'kubelet.sock');
    // Plugins watch for a new socket and register again.
    await rm(socket, { force: true });
    const request = codec<RegisterRequest>('RegisterRequest');
    const empty = codec<object>('Empty');
    this.#server.addService(
      {
        Register: {
          path: `/${apiVersion}.Registration/Register`,
          requestStream: false,
          responseStream: false,
          requestSerialize: request.serialize,
          requestDeserialize: request.deserialize,
          responseSerialize: empty.serialize,
          responseDeserialize: empty.deserialize,
        },
      },
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
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    signal.addEventListener('abort', () => this.#server.forceShutdown(), { once: true });
  }

  resources(): Record<string, { capacity: number; allocatable: number }> {
    const amounts: Record<string, { capacity: number; allocatable: number }> = {};
    for (const { resourceName, devices, connected } of this.#plugins.values()) {
      const healthy = connected ? [...devices.values()].filter(Boolean).length : 0;
      amounts[resourceName] = { capacity: devices.size, allocatable: healthy };
    }
    return amounts;
  }

  async allocate(pod: Pod, container: core.Container): Promise<DeviceGrant> {
    const limits = container.resources?.limits ?? {};
    const wanted = Object.entries(limits).filter(([name]) => this.#plugins.has(name));
    if (wanted.length === 0) return noGrant;
    const key = `${pod.metadata.uid}/${container.name}`;
    const held = this.#assigned.get(key) ?? {};
    const grant: DeviceGrant = { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] };
    for (const [resourceName, amount] of wanted) {
      const plugin = this.#plugins.get(resourceName)!;
      held[resourceName] ??= this.#choose(plugin, wholeValueOf(amount));
      addGrant(grant, await this.#ask(plugin, held[resourceName]));
    }
    this.#assigned.set(key, held);
    await this.#save();
    return grant;
  }

  release(podUid: string): void {
    let released = false;
    for (const key of this.#assigned.keys())
      if (key.startsWith(`${podUid}/`)) released = this.#assigned.delete(key) || released;
    if (released)
      this.#save().catch((error: unknown) =>
        this.#options.logger.warn('device assignments could not be saved', { error }),
      );
  }

  get #checkpoint(): string {
    return join(this.#options.folder, 'assignments.json');
  }

  /** What cannot be read must not keep the node from starting: its devices may be given a second time then. */
  async #load(): Promise<void> {
    try {
      const saved = JSON.parse(await readFile(this.#checkpoint, 'utf8')) as Record<string, Assigned>;
      for (const [key, assigned] of Object.entries(saved)) this.#assigned.set(key, assigned);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.#options.logger.warn('device assignments cannot be read and are forgotten', { error });
    }
  }

  /** One after the other: they share a temporary file. */
  #save(): Promise<void> {
    const write = async () => {
      const temporary = `${this.#checkpoint}.tmp`;
      await writeFile(temporary, JSON.stringify(Object.fromEntries(this.#assigned)));
      await rename(temporary, this.#checkpoint);
    };
    this.#saving = this.#saving.then(write, write);
    return this.#saving;
  }

  #choose(plugin: Plugin, count: number): string[] {
    const taken = new Set(
      [...this.#assigned.values()].flatMap((assigned) => assigned[plugin.resourceName] ?? []),
    );
    const free = [...plugin.devices].filter(([id, healthy]) => healthy && !taken.has(id)).map(([id]) => id);
    if (free.length < count)
      throw new Error(
        `requested number of devices unavailable for ${plugin.resourceName}. Requested: ${count}, Available: ${free.length}`,
      );
    return free.slice(0, count);
  }

  async #ask(plugin: Plugin, devicesIDs: readonly string[]): Promise<ContainerAllocateResponse> {
    const { containerResponses } = await call<{ containerResponses: ContainerAllocateResponse[] }>(
      plugin.client,
      'Allocate',
      ['AllocateRequest', 'AllocateResponse'],
      { containerRequests: [{ devicesIDs }] },
    );
    const [answer] = containerResponses;
    if (!answer) throw new Error(`the device plugin of ${plugin.resourceName} gave no allocation`);
    if (plugin.preStart)
      await call(plugin.client, 'PreStartContainer', ['PreStartContainerRequest', 'Empty'], { devicesIDs });
    return answer;
  }

  async #follow({ endpoint, resourceName, options }: RegisterRequest, signal: AbortSignal): Promise<void> {
    const { logger, folder, changed } = this.#options;
    const socket = endpoint.startsWith('/') ? endpoint : join(folder, endpoint);
    const client = new Client(`unix://${socket}`, credentials.createInsecure());
    const plugin: Plugin = {
      resourceName,
      client,
      preStart: options?.preStartRequired ?? false,
      devices: this.#plugins.get(resourceName)?.devices ?? new Map(),
      connected: true,
    };
    this.#plugins.get(resourceName)?.client.close();
    this.#plugins.set(resourceName, plugin);
    const stream = client.makeServerStreamRequest(
      `/${apiVersion}.DevicePlugin/ListAndWatch`,
      codec<object>('Empty').serialize,
      codec<{ devices: PluginDevice[] }>('ListAndWatchResponse').deserialize,
      {},
    );
    const cancel = () => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    logger.info('a device plugin registered', { resource: resourceName });
    try {
      for await (const { devices } of stream as AsyncIterable<{ devices: PluginDevice[] }>) {
        plugin.devices = new Map(devices.map(({ ID, health }) => [ID, health === 'Healthy']));
        changed();
      }
    } catch (error) {
      if (!signal.aborted) logger.warn('a device plugin went away', { resource: resourceName, error });
    }
    signal.removeEventListener('abort', cancel);
    plugin.connected = false;
    client.close();
    if (!signal.aborted) changed();
  }
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
      (error, answer) => (error ? reject(error) : resolve(answer as Answer)),
    );
  });
}
