/** What passes through the layers of the API server: a request, its meaning, and the response in semantic form. */
import type { Duplex, Readable } from 'node:stream';
import type { Column } from '../api/kinds/kind.ts';
import type { KubeObject } from '../api/meta.ts';
import type { TurnTaker } from '../base/async/turns.ts';
import type { BodyShare } from './http/request/body-budget.ts';
import type { ServedResource } from './registry/kind-registry.ts';
import type { CachedObject } from './watch-cache/cached-object.ts';
import type { WatchSession } from './watch-cache/watch-session.ts';

/** The user, as authenticated. */
export interface UserInfo {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** The meaning of path and method; the attributes on which authorization decides. */
export interface RequestInfo {
  /** get, list, watch, create, update, patch, delete, deletecollection; the lower-case method on other paths. */
  verb: string;
  isResource: boolean;
  /** Without the query. */
  path: string;
  group: string;
  version: string;
  /** Plural; empty when the path names no resource. */
  resource: string;
  namespace: string;
  name: string;
  subresource: string;
  /** The path after a `proxy` subresource, with its leading slash; empty when there is none. */
  rest: string;
}

/** A request as either transport hands it in. */
export interface ApiRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  /** The query as it came, without `?`. */
  readonly search: string;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /** The whole body. @throws StatusError 413 beyond `limitBytes`. */
  readBody(limitBytes: number): Promise<Uint8Array>;
  /** True when there is a body to wait for; requests of this process have theirs. */
  readonly hasBody?: boolean;
  /**
   * Receives the body at the cost of `share`, before anybody reads it. True once it is there, or is known to be too long
   * or broken off, of which its reader learns; false when the share was closed before.
   */
  receiveBody?(limitBytes: number, share: BodyShare): Promise<boolean>;
  /** The length of the body that has been received; absent where none was. */
  readonly bodyBytes?: number;
  /** True while part of the body is still to come, being longer than what is received ahead. */
  readonly isBodyComing?: boolean;
  /** What of the body was not read is of no use any more. */
  dropBody?(): void;
  /** The body of a local request: an object instead of bytes. */
  readonly localBody?: { readonly value: unknown } | undefined;
  /** The caller of a local request; requests that come over the network are authenticated. */
  readonly localUser?: UserInfo;
  /** The client's address, for logs. */
  readonly remoteAddress: string;
  /** DER bytes of the client's certificate, which the listener has verified against the client CA. */
  readonly clientCertificate?: () => VerifiedCertificate | undefined;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** The body as it streams in, for proxied requests. */
  readonly bodyStream?: () => Readable;
  /** Every header, lower-case, for proxied requests. */
  readonly headers: () => Record<string, string | string[] | undefined>;
  /** Present when the client asks to upgrade the connection (HTTP/1.1). */
  readonly upgrade?: { socket: Duplex; head: Buffer; protocol: string };
}

export interface VerifiedCertificate {
  commonName: string;
  organizations: readonly string[];
  raw: Uint8Array;
  /** Of the whole certificate, in lower-case hexadecimal digits. */
  sha256: string;
  validToMs: number;
}

/** A request on its way through the layers. */
export interface RequestContext {
  readonly request: ApiRequest;
  readonly info: RequestInfo;
  readonly auditId: string;
  user: UserInfo;
  /** The user who impersonates {@link RequestContext.user}, if any. */
  impersonator?: UserInfo;
  /** The verb by which a constrained mode of impersonation allows that. */
  impersonationConstraint?: string;
  /** Additional notes on the request for the audit log. */
  annotations?: Record<string, string>;
  /** Texts of `Warning` headers. */
  readonly warnings: string[];
  /** Extra headers of the answer. */
  readonly headers: Record<string, string>;
  /** Collects the waits for the request's turn and for webhooks: latency objectives leave them out. */
  readonly waited: { ms: number };
  /** When the answer is due, on the scale of {@link Clock.monotonic}; absent when it may take any time. */
  deadlineMs?: number;
  /** Options of a connection into a pod as admission left them, when it changed them. */
  connectQuery?: URLSearchParams;
  /**
   * For who passes on a body that is still to come: gives the request's seats back, as a client that sends slowly is to
   * hold up nobody. The signal aborts when there is no memory for it any more. Absent when the body is there.
   */
  leaveSeat?: () => AbortSignal;
  /** Work on a long body or object is done in steps, so that others are served in between. */
  nextStep?: TurnTaker['nextStep'];
  /** Of all requests' long work. */
  turns?: TurnTaker['turns'];
  /** What the body says, for the audit log. */
  requestObject?: unknown;
  /** To be called when a long-running response has been sent completely, or its client is gone. */
  whenOver?: () => void;
}

/** Work on a body, or an object, of more bytes is done in steps. */
export const longBytes = 64 * 1024;

/** One object of a response: from the cache (with its bytes) or created for this response. */
export type ServedObject = CachedObject | { readonly plain: KubeObject };

/** An answer before it is encoded. */
export type ApiResponse =
  | { type: 'object'; status: number; resource: ServedResource; object: ServedObject }
  /** Of no served kind: a Status, a review, discovery. */
  | {
      type: 'plain';
      status: number;
      object: Record<string, unknown>;
      /** For a table of the object; without them there is neither a table nor a partial form. */
      columns?: readonly Column[];
    }
  | {
      type: 'list';
      resource: ServedResource;
      items: readonly CachedObject[];
      revision: number;
      continue?: string;
      remaining?: number;
    }
  | { type: 'watch'; resource: ServedResource; session: WatchSession }
  | {
      type: 'raw';
      status: number;
      contentType: string;
      body: Uint8Array | string;
      headers?: Record<string, string>;
    }
  | {
      type: 'stream';
      status: number;
      headers: Record<string, string | string[]>;
      body: Readable;
    }
  /** The connection was taken over (an upgrade): nothing is left to answer. */
  | { type: 'hijacked' };

/** The plain object of a response; shared and frozen when it comes from the cache. */
export function objectOf(served: ServedObject): KubeObject {
  return 'plain' in served ? served.plain : served.object;
}
