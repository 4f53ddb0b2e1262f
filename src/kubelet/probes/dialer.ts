/** How probes and lifecycle hooks reach a container over the network. */

export interface HttpCheck {
  scheme: 'http' | 'https';
  host: string;
  port: number;
  path: string;
  headers: readonly { name: string; value: string }[];
  timeoutMs: number;
  signal?: AbortSignal;
}

/** What a check found; `error` in the words that Go's libraries have for it, as users know them. */
export type HttpAnswer = { status: number; body: string } | { error: string };

export interface ProbeDialer {
  /** `containerId`: for simulations, which have no network. */
  http(check: HttpCheck, containerId: string): Promise<HttpAnswer>;
  /** Undefined: connected. */
  tcp(host: string, port: number, timeoutMs: number, containerId: string): Promise<string | undefined>;
  /** gRPC's health check; undefined: it is serving. */
  grpc(
    host: string,
    port: number,
    service: string,
    timeoutMs: number,
    containerId: string,
  ): Promise<string | undefined>;
}
