/** etcd's v3 API over gRPC: typed calls to a set of endpoints, one of which is in use until it fails. */

import { readFileSync } from 'node:fs';
import {
  type ChannelCredentials,
  Client,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { StoreUnavailableError } from '../store.ts';

/** A call that etcd has not answered by then failed; without a leader etcd itself answers no sooner than after an election. */
const callTimeoutMs = 7_000;
/** A page of 1,000 large objects must fit. */
const messageBytesMax = 256 * 1024 * 1024;

export interface EtcdEndpoints {
  /** `http://127.0.0.1:2379` or `https://…`; all of one scheme. */
  endpoints: readonly string[];
  /** The system's own authorities when `ca` is absent. */
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer };
}

/** int64 on the wire; revisions stay far below 2^53. */
type Int64 = number | { toNumber(): number };

export function numberOf(value: Int64 | undefined | null): number {
  if (value === undefined || value === null) return 0;
  return typeof value === 'number' ? value : value.toNumber();
}

export interface KeyValue {
  key: Uint8Array;
  value: Uint8Array;
  create_revision: Int64;
  mod_revision: Int64;
}

export interface ResponseHeader {
  revision: Int64;
}

export interface RangeResponse {
  header: ResponseHeader;
  kvs: KeyValue[];
  more: boolean;
  count: Int64;
}

export interface TxnResponse {
  header: ResponseHeader;
  succeeded: boolean;
  responses: { response_range?: RangeResponse }[];
}

export interface WatchResponse {
  header: ResponseHeader;
  created?: boolean;
  canceled?: boolean;
  compact_revision?: Int64;
  cancel_reason?: string;
  fragment?: boolean;
  events: { type: number; kv: KeyValue; prev_kv?: KeyValue }[];
}

export interface WatchStream {
  responses: AsyncIterable<WatchResponse>;
  close(): void;
}

const root = protobuf.Root.fromJSON(
  JSON.parse(readFileSync(new URL('./etcd-v3.protobuf.json', import.meta.url), 'utf8')),
);

function codec(typeName: string) {
  const type = root.lookupType(`etcdserverpb.${typeName}`);
  return {
    encode: (message: object) => Buffer.from(type.encode(message as protobuf.Message).finish()),
    decode: (bytes: Buffer) => type.decode(bytes) as unknown,
  };
}

export class EtcdApi {
  readonly #clients: Client[];
  #inUse = 0;

  constructor({ endpoints, tls }: EtcdEndpoints) {
    if (endpoints.length === 0) throw new Error('at least one etcd endpoint is needed');
    this.#clients = endpoints.map((endpoint) => {
      const url = new URL(endpoint);
      return new Client(url.host, channelCredentials(url, tls), {
        'grpc.max_receive_message_length': messageBytesMax,
        'grpc.max_send_message_length': messageBytesMax,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2_000,
        'grpc.keepalive_time_ms': 10_000,
        'grpc.keepalive_timeout_ms': 3_000,
      });
    });
  }

  /** A read: tried at every endpoint before it fails. */
  async range(request: object): Promise<RangeResponse> {
    for (let tried = 1; ; tried++) {
      try {
        return await this.#call<RangeResponse>('KV/Range', 'RangeRequest', 'RangeResponse', request);
      } catch (error) {
        if (!(error instanceof StoreUnavailableError) || tried >= this.#clients.length) throw error;
      }
    }
  }

  /** A write: never repeated, since after a lost answer it is unknown whether it took place. */
  txn(request: object): Promise<TxnResponse> {
    return this.#call('KV/Txn', 'TxnRequest', 'TxnResponse', request);
  }

  async compact(revision: number): Promise<void> {
    await this.#call('KV/Compact', 'CompactionRequest', 'CompactionResponse', { revision });
  }

  async databaseBytes(): Promise<number> {
    const answer = await this.#call<{ dbSize: Int64 }>(
      'Maintenance/Status',
      'StatusRequest',
      'StatusResponse',
      {},
    );
    return numberOf(answer.dbSize);
  }

  /** Ends with an error when the member loses its leader, so that the caller turns to another one. */
  watch(create: object): WatchStream {
    const requests = codec('WatchRequest');
    const responses = codec('WatchResponse');
    const metadata = new Metadata();
    metadata.set('hasleader', 'true');
    const used = this.#inUse;
    const stream = this.#clients[used]!.makeBidiStreamRequest(
      '/etcdserverpb.Watch/Watch',
      requests.encode,
      responses.decode,
      metadata,
    );
    stream.write({ create_request: create });
    return {
      responses: this.#received(stream as AsyncIterable<WatchResponse>, used),
      close: () => stream.cancel(),
    };
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async *#received(
    stream: AsyncIterable<WatchResponse>,
    used: number,
  ): AsyncGenerator<WatchResponse, void, undefined> {
    try {
      yield* stream;
    } catch (error) {
      throw this.#translate(error as ServiceError, used);
    }
  }

  #call<Answer>(method: string, requestType: string, responseType: string, request: object): Promise<Answer> {
    const used = this.#inUse;
    return new Promise((resolve, reject) => {
      this.#clients[used]!.makeUnaryRequest(
        `/etcdserverpb.${method}`,
        codec(requestType).encode,
        codec(responseType).decode,
        request,
        { deadline: Date.now() + callTimeoutMs },
        (error, answer) => (error ? reject(this.#translate(error, used)) : resolve(answer as Answer)),
      );
    });
  }

  /**
   * Switches to the next endpoint when the present one cannot serve, once for all calls that it fails: otherwise
   * several failing at the same time would lead past the good ones. Errors with another meaning are passed on.
   */
  #translate(error: ServiceError, used: number): Error {
    const outage = [
      status.UNAVAILABLE,
      status.DEADLINE_EXCEEDED,
      status.CANCELLED,
      status.RESOURCE_EXHAUSTED,
      // So a member without a majority says that its time is up: “context deadline exceeded”.
      status.UNKNOWN,
    ];
    if (!outage.includes(error.code)) return error;
    if (this.#inUse === used) this.#inUse = (used + 1) % this.#clients.length;
    return new StoreUnavailableError(`etcd: ${error.details || error.message}`, { cause: error });
  }
}

/** Whether etcd refused a revision; its error codes do not distinguish the two cases. */
export function refusedRevision(error: unknown): 'compacted' | 'future' | undefined {
  const { code, details } = error as Partial<ServiceError>;
  if (code !== status.OUT_OF_RANGE) return undefined;
  return details?.includes('future') ? 'future' : 'compacted';
}

function channelCredentials(url: URL, tls: EtcdEndpoints['tls']): ChannelCredentials {
  if (url.protocol === 'http:') return credentials.createInsecure();
  return credentials.createSsl(tls?.ca ?? null, tls?.key ?? null, tls?.cert ?? null);
}
