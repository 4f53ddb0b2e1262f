/** One registered plugin of a driver: its connection, whether it is reachable at the moment, and the calls to it. */
import { Client, connectivityState, credentials, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.ts';
import { asRuntimeError, type RuntimeError } from '../cri/runtime-error.ts';
import {
  type ClaimMessage,
  type DeviceHealthMessage,
  driverCodec,
  healthService,
  type PrepareAnswer,
  type UnprepareAnswer,
} from './driver-messages.ts';

export interface DriverPluginOptions {
  driver: string;
  endpoint: string;
  /** The full name of the service. */
  service: string;
  clock: Clock;
  /** Called when it becomes reachable or unreachable. */
  connectionChanged(): void;
  called(call: DriverCall): void;
}

/** For metrics. */
export interface DriverCall {
  driver: string;
  method: string;
  code: string;
  seconds: number;
}

/** Upstream's time limit for a driver. */
const callTimeoutMs = 45_000;
/** How often an unreachable plugin is tried: its return should be noticed soon. */
const reconnect = { 'grpc.initial_reconnect_backoff_ms': 500, 'grpc.max_reconnect_backoff_ms': 5_000 };

export class DriverPlugin {
  readonly driver: string;
  readonly endpoint: string;
  readonly #options: DriverPluginOptions;
  readonly #client: Client;
  #isConnected = false;
  #isClosed = false;

  constructor(options: DriverPluginOptions) {
    this.driver = options.driver;
    this.endpoint = options.endpoint;
    this.#options = options;
    this.#client = new Client(`unix://${options.endpoint}`, credentials.createInsecure(), reconnect);
    this.#followConnection();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  async prepare(claims: readonly ClaimMessage[], signal?: AbortSignal): Promise<PrepareAnswer> {
    return await this.#call('NodePrepareResources', claims, signal);
  }

  async unprepare(claims: readonly ClaimMessage[]): Promise<UnprepareAnswer> {
    return await this.#call('NodeUnprepareResources', claims);
  }

  /**
   * All of its devices, whenever one changes. Ends with the signal, or when the plugin ends the stream. @throws
   * RuntimeError
   */
  async *healths(signal: AbortSignal): AsyncGenerator<DeviceHealthMessage[]> {
    const stream = this.#client.makeServerStreamRequest(
      `/${healthService}/NodeWatchResources`,
      driverCodec<object>('NodeWatchResourcesRequest').serialize,
      driverCodec<{ devices: DeviceHealthMessage[] }>('NodeWatchResourcesResponse').deserialize,
      {},
    );
    const cancel = () => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      for await (const { devices } of stream as AsyncIterable<{ devices: DeviceHealthMessage[] }>)
        yield devices;
    } catch (error) {
      if (!signal.aborted) throw asRuntimeError(error as ServiceError);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#client.close();
  }

  /** Connects, and reconnects whenever the connection is lost: a returning driver is noticed without a call to it. */
  #followConnection(): void {
    if (this.#isClosed) return;
    const channel = this.#client.getChannel();
    // The call that connects returns the state from before, and no event reports a change in between: it is read again.
    channel.getConnectivityState(true);
    const state = channel.getConnectivityState(false);
    const isConnected = state === connectivityState.READY;
    if (isConnected !== this.#isConnected) {
      this.#isConnected = isConnected;
      this.#options.connectionChanged();
    }
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => this.#followConnection());
  }

  #call<Answer>(name: string, claims: readonly ClaimMessage[], signal?: AbortSignal): Promise<Answer> {
    const { service, clock, called } = this.#options;
    const method = `/${service}/${name}`;
    const startMs = clock.monotonic();
    return new Promise((resolve, reject) => {
      const done = (error: RuntimeError | undefined, answer?: { claims: Answer }) => {
        signal?.removeEventListener('abort', cancel);
        const seconds = (clock.monotonic() - startMs) / 1000;
        called({ driver: this.driver, method, code: error?.code ?? 'OK', seconds });
        if (error) reject(error);
        else resolve(answer!.claims);
      };
      const call = this.#client.makeUnaryRequest(
        method,
        driverCodec<object>(`${name}Request`).serialize,
        driverCodec<{ claims: Answer }>(`${name}Response`).deserialize,
        { claims },
        { deadline: Date.now() + callTimeoutMs },
        (error, answer) => done(error ? asRuntimeError(error) : undefined, answer),
      );
      const cancel = () => call.cancel();
      if (signal?.aborted) cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }
}
