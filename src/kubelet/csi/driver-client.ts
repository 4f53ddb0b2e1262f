/** A CSI driver of this node, over its socket. */
import { Client, credentials } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.ts';
import { asRuntimeError, RuntimeError } from '../cri/runtime-error.ts';
import {
  codec,
  type NodeCapability,
  type NodeInfo,
  type PluginInfo,
  type VolumeCapability,
  type VolumeUsage,
} from './messages.ts';

export interface StageRequest {
  volumeId: string;
  publishContext: Record<string, string>;
  stagingTargetPath: string;
  volumeCapability: VolumeCapability;
  secrets: Record<string, string>;
  volumeContext: Record<string, string>;
}

export interface PublishRequest extends StageRequest {
  targetPath: string;
  readonly: boolean;
}

export interface ExpandRequest {
  volumeId: string;
  volumePath: string;
  stagingTargetPath: string;
  capacityRange: { requiredBytes: number };
  volumeCapability: VolumeCapability;
  secrets: Record<string, string>;
}

/**
 * Codes of calls that the driver may still be executing, or that never reached it; with any other code the call has
 * ended.
 */
const openCodes: ReadonlySet<string> = new Set([
  'Canceled',
  'DeadlineExceeded',
  'Unavailable',
  'ResourceExhausted',
  'Aborted',
]);

/** Whether a call that failed this way may still take effect. */
export function mayGoOn(error: unknown): boolean {
  return error instanceof RuntimeError && openCodes.has(error.code);
}

/** Upstream's time limit for a driver. */
const callTimeoutMs = 120_000;
const connectTimeoutMs = 10_000;

/** The kubelet's side of a plugin's socket. Errors are RuntimeErrors, with gRPC's code and the plugin's words. */
class PluginSocket {
  readonly #client: Client;

  constructor(path: string) {
    this.#client = new Client(`unix://${path}`, credentials.createInsecure());
  }

  call<Answer>(
    path: string,
    [requestType, answerType]: readonly [string, string],
    request: object,
    timeoutMs: number,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        codec<object>(requestType).serialize,
        codec<Answer>(answerType).deserialize,
        request,
        { deadline: Date.now() + timeoutMs },
        (error, answer) => (error ? reject(asRuntimeError(error)) : resolve(answer as Answer)),
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** Gives `work` a connection to the plugin behind a socket of the registry, and closes it afterwards. */
export async function withRegistrar<T>(
  socketPath: string,
  work: (registrar: {
    info(): Promise<PluginInfo>;
    notify(error: string | undefined): Promise<void>;
  }) => Promise<T>,
): Promise<T> {
  const socket = new PluginSocket(socketPath);
  const call = <Answer>(method: string, types: readonly [string, string], request: object) =>
    socket.call<Answer>(`/pluginregistration.Registration/${method}`, types, request, connectTimeoutMs);
  try {
    return await work({
      info: () => call('GetInfo', ['InfoRequest', 'PluginInfo'], {}),
      async notify(error) {
        const status = { pluginRegistered: error === undefined, error: error ?? '' };
        await call('NotifyRegistrationStatus', ['RegistrationStatus', 'RegistrationStatusResponse'], status);
      },
    });
  } finally {
    socket.close();
  }
}

export interface DriverOptions {
  name: string;
  endpoint: string;
  clock: Pick<Clock, 'monotonic'>;
  /** Notes each call: the gRPC method, the code that it ended with, and how long it took. */
  called(method: string, code: string, seconds: number): void;
}

export class DriverClient {
  readonly name: string;
  readonly endpoint: string;
  readonly #options: DriverOptions;
  readonly #socket: PluginSocket;
  #capabilities: Promise<ReadonlySet<NodeCapability>> | undefined;

  constructor(options: DriverOptions) {
    this.name = options.name;
    this.endpoint = options.endpoint;
    this.#options = options;
    this.#socket = new PluginSocket(options.endpoint);
  }

  info(): Promise<NodeInfo> {
    return this.#call('NodeGetInfo', {}, connectTimeoutMs);
  }

  async can(capability: NodeCapability): Promise<boolean> {
    this.#capabilities ??= this.#readCapabilities();
    try {
      return (await this.#capabilities).has(capability);
    } catch (error) {
      this.#capabilities = undefined;
      throw error;
    }
  }

  async stage(request: StageRequest): Promise<void> {
    await this.#call('NodeStageVolume', request);
  }

  async unstage(volumeId: string, stagingTargetPath: string): Promise<void> {
    await this.#call('NodeUnstageVolume', { volumeId, stagingTargetPath });
  }

  async publish(request: PublishRequest): Promise<void> {
    await this.#call('NodePublishVolume', request);
  }

  async unpublish(volumeId: string, targetPath: string): Promise<void> {
    await this.#call('NodeUnpublishVolume', { volumeId, targetPath });
  }

  async stats(volumeId: string, volumePath: string): Promise<VolumeUsage[]> {
    const answer = await this.#call<{ usage: VolumeUsage[] }>('NodeGetVolumeStats', { volumeId, volumePath });
    return answer.usage;
  }

  async expand(request: ExpandRequest): Promise<void> {
    await this.#call('NodeExpandVolume', request);
  }

  close(): void {
    this.#socket.close();
  }

  async #readCapabilities(): Promise<ReadonlySet<NodeCapability>> {
    const { capabilities } = await this.#call<{ capabilities: { rpc: { type: NodeCapability } | null }[] }>(
      'NodeGetCapabilities',
      {},
      connectTimeoutMs,
    );
    return new Set(capabilities.flatMap(({ rpc }) => (rpc ? [rpc.type] : [])));
  }

  async #call<Answer>(method: string, request: object, timeoutMs = callTimeoutMs): Promise<Answer> {
    const { clock, called } = this.#options;
    const types = [`${method}Request`, `${method}Response`] as const;
    const path = `/csi.v1.Node/${method}`;
    const startMs = clock.monotonic();
    let code = 'OK';
    try {
      return await this.#socket.call<Answer>(path, types, request, timeoutMs);
    } catch (error) {
      code = error instanceof RuntimeError ? error.code : 'Unknown';
      throw error;
    } finally {
      called(path, code, (clock.monotonic() - startMs) / 1000);
    }
  }
}
