/** How probes and lifecycle hooks reach a container over the network. */

/** Where a container listens. */
export interface DialTarget {
  host: string;
  port: number;
  timeoutMs: number;
}

export interface HttpCheck extends DialTarget {
  scheme: 'http' | 'https';
  /** As the pod's spec has it: what cannot stand in a request as it is has to be escaped. */
  path: string;
  headers: readonly { name: string; value: string }[];
  signal?: AbortSignal;
}

/** What a check found; `error` in the words that Go's libraries have for it, as users know them. */
export type HttpAnswer = { status: number; body: string } | { error: string };

/** `containerId`: for simulations, which have no network. */
export interface ProbeDialer {
  http(check: HttpCheck, containerId: string): Promise<HttpAnswer>;
  /** Undefined: connected. */
  tcp(target: DialTarget, containerId: string): Promise<string | undefined>;
  /** gRPC's health check; undefined: it is serving. */
  grpc(target: DialTarget & { service: string }, containerId: string): Promise<string | undefined>;
}
