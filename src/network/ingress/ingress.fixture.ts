/**
 * An ingress controller with its HAProxy, over informers without a server, and services that report what they are
 * asked.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EndpointSlice, Ingress, IngressClass, Node, Service } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import { createFakeInformers } from '../informers.fake.ts';
import { startIngress } from './ingress.ts';

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

/** For suites that need HAProxy, and openssl for passwords. */
export const suiteOptions = { skip: !hasPrograms(), timeout: 120_000 };

export class IngressFixture {
  readonly informers = createFakeInformers();
  readonly folder = mkdtempSync(join(tmpdir(), 'whnet-ingress-'));
  readonly logFile = join(this.folder, 'access.log');
  readonly ports = { http: 20_080 + (process.pid % 10_000), https: 31_080 + (process.pid % 10_000) };
  /** Closed at the end. */
  readonly servers: Server[] = [];
  readonly events: string[] = [];
  /** Patches of statuses, with the name of the Ingress. */
  readonly statuses: [name: string, patch: unknown][] = [];
  /** Of this Ingress a patch of the status is refused. */
  refuseStatusOf: string | undefined;
  readonly #stopped = new AbortController();
  #controller: Awaited<ReturnType<typeof startIngress>> | undefined;

  /** With the services `web`, `api` and `new` of one server each, and `many` of three. */
  async start(): Promise<void> {
    this.informers.put(Node, {
      metadata: { name: 'n1', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: {},
      status: { conditions: [{ type: 'Ready', status: 'True' }] } as Node['status'],
    });
    this.informers.put(IngressClass, {
      metadata: { name: 'nginx' },
      spec: { controller: 'k8s.io/ingress-nginx' },
    });
    await this.#service('web', 1);
    await this.#service('api', 1);
    await this.#service('new', 1);
    await this.#service('many', 3);
    const recorder = sparse<EventRecorder>({
      event: (_about: unknown, type: string, reason: string, message: string) =>
        void this.events.push(`${type} ${reason} ${message}`),
    });
    const client = sparse<Client>({
      patch: (_type: unknown, at: { name: string }, patch: unknown) => {
        if (at.name === this.refuseStatusOf) return Promise.reject(new Error('refused'));
        this.statuses.push([at.name, patch]);
        return Promise.resolve({});
      },
    });
    this.#controller = await startIngress(
      {
        nodeName: 'n1',
        nodeAddress: '127.0.0.1',
        clusterDns: '127.0.0.1',
        client,
        informers: this.informers,
        recorder,
        clock: systemClock,
        logger: silentLogger,
        folder: join(this.folder, 'run'),
        logFile: this.logFile,
        ports: this.ports,
      },
      this.#stopped.signal,
    );
  }

  async stop(): Promise<void> {
    this.informers.remove(IngressClass, 'nginx');
    await this.#controller?.settled();
    this.#stopped.abort();
    for (const server of this.servers) server.close();
    rmSync(this.folder, { recursive: true });
  }

  /** A service of `count` servers that answer with their name and what they see of the request. */
  async #service(name: string, count: number): Promise<void> {
    const addresses: number[] = [];
    for (let index = 0; index < count; index++) {
      const server = createServer((message, response) => {
        message.resume();
        message.on('end', () => {
          response.end(
            JSON.stringify({ name: `${name}-${index}`, url: message.url, headers: message.headers }),
          );
        });
      });
      server.on('upgrade', (_message, socket) => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
        );
        socket.pipe(socket);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      this.servers.push(server);
      addresses.push((server.address() as AddressInfo).port);
    }
    this.put(name, addresses);
  }

  put(name: string, addresses: readonly number[]): void {
    this.informers.put(Service, {
      metadata: { name },
      spec: { clusterIP: '10.96.2.1', ports: [{ name: 'http', port: 80 }] },
    });
    for (const { metadata } of [...this.informers.of(EndpointSlice).list()])
      if (metadata.labels?.['kubernetes.io/service-name'] === name)
        this.informers.remove(EndpointSlice, `default/${metadata.name}`);
    for (const [index, port] of addresses.entries()) {
      this.informers.put(EndpointSlice, {
        metadata: { name: `${name}-${index}`, labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
        ports: [{ name: 'http', port, protocol: 'TCP' }],
      });
    }
  }

  async ingress(
    name: string,
    spec: Ingress['spec'],
    annotations: Record<string, string> = {},
  ): Promise<void> {
    this.informers.put(Ingress, {
      metadata: {
        name,
        annotations: Object.fromEntries(
          Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]),
        ),
      },
      spec,
    });
    await this.settled();
  }

  get(
    host: string,
    path: string,
    options: { headers?: Record<string, string>; tls?: boolean; body?: string } = {},
  ) {
    return new Promise<Answer>((resolve, reject) => {
      const common = {
        host: '127.0.0.1',
        path,
        agent: false as const,
        headers: { host, ...options.headers },
      };
      const method = options.body === undefined ? 'GET' : 'POST';
      const asking = options.tls
        ? secureRequest({
            ...common,
            method,
            port: this.ports.https,
            servername: host,
            rejectUnauthorized: false,
          })
        : request({ ...common, method, port: this.ports.http });
      asking.on('response', (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text) => (body += text));
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      });
      asking.on('error', reject);
      asking.end(options.body);
    });
  }

  /** Resolves when HAProxy has everything that was put before the call. */
  async settled(): Promise<void> {
    await this.#controller?.settled();
  }
}

/** Rules of one host, or of all hosts. */
export function paths(
  host: string | undefined,
  ...list: [path: string, pathType: 'Exact' | 'Prefix' | 'ImplementationSpecific', service: string][]
): NonNullable<Ingress['spec']> {
  const rules = list.map(([path, pathType, name]) => ({ path, pathType, backend: to(name) }));
  return { rules: [{ ...(host ? { host } : {}), http: { paths: rules } }] };
}

/** The backend for the single port of a service. */
export const to = (name: string) => ({ service: { name, port: { number: 80 } } });

/** The server that answered, or the status when none did. */
export function served({ status, body }: Answer): string | number {
  return status === 200 ? (JSON.parse(body) as { name: string }).name : status;
}

/** What the server saw of the request. */
export function seen({ body }: Answer): { url: string; headers: Record<string, string> } {
  return JSON.parse(body);
}

function hasPrograms(): boolean {
  try {
    execFileSync('haproxy', ['-v']);
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
}
