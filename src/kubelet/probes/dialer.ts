/** How probes and lifecycle hooks reach a container over the network. */

/** Where a container listens. */
export interface DialTarget {
  host: string;
  port: number;
  timeoutMs: number;
}

export interface HttpCheck extends DialTarget {
  scheme: 'http' | 'https';
  /** As in the pod's spec: characters that a request cannot contain must be escaped. */
  path: string;
  headers: readonly { name: string; value: string }[];
  signal?: AbortSignal;
}

/** What a check found; `error` in the words of Go's libraries, which users know. */
export type HttpAnswer =
  | { status: number; body: string }
  /**
   * `speaksHttp`: the server was asked over HTTPS and answered in plain HTTP; `hasBegun`: its headers came, but not the
   * end of its answer.
   */
  | { error: string; speaksHttp?: boolean; hasBegun?: boolean };

/** `containerId`: for simulations, which have no network. */
export interface ProbeDialer {
  http(check: HttpCheck, containerId: string): Promise<HttpAnswer>;
  /** Undefined: connected. */
  tcp(target: DialTarget, containerId: string): Promise<string | undefined>;
  /** gRPC's health check; undefined: it is serving. */
  grpc(target: DialTarget & { service: string }, containerId: string): Promise<string | undefined>;
}
