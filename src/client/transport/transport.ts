/** What carries a client's requests to an API server: HTTP between processes, a direct call within one. */
import type { KubeObject } from '../../api/meta.ts';
import type { Status } from '../../api/status.ts';

export interface TransportRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with query, e.g. `/api/v1/pods?limit=500`. */
  path: string;
  /** Of a body; `application/json` when absent. */
  contentType?: string;
  /** A plain object. The local transport passes it on as it is: the caller must not change it afterwards. */
  body?: unknown;
  /** The `Accept` header; JSON when absent. */
  accept?: string;
  signal?: AbortSignal;
}

export type TransportResponse =
  /** `object` is shared with others on the local transport: treat it as frozen. */
  { status: number; object: unknown } | { status: 200; events: AsyncIterable<TransportEvent> };

/** An event of a watch, as the wire names it. */
export type TransportEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: KubeObject }
  /** The last event of its watch. */
  | { type: 'ERROR'; object: Status };

export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>;
  close(): void;
}

/**
 * The server could not be reached or the connection broke. Whether a write took place is unknown.
 * An answer of the server, even a failure, is never one of these.
 */
export class TransportError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TransportError';
  }
}
