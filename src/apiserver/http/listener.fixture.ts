/** A test server behind a real listener, and requests to it as the network carries them. */
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { type Clock, systemClock } from '../../base/clock.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { createTestServer, type TestServer } from '../server.fixture.ts';
import type { ApiServerOptions } from '../server-options.ts';

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

export interface ListeningServer extends AsyncDisposable {
  readonly server: TestServer;
  readonly port: number;
  /** PEM, for connections of the test's own. */
  readonly ca: string;
  /** A client with a certificate for this user. */
  as(commonName: string, organizations?: string[]): Promise<Send>;
  /** What a connection of the test's own needs to be this user's. */
  connect(commonName: string, organizations?: string[]): Promise<{ ca: string; cert: string; key: string }>;
}

export type Send = (
  method: string,
  path: string,
  headers?: Record<string, string>,
  body?: string | Uint8Array,
) => Promise<Reply>;

export async function createListeningServer({
  headTimeoutMs,
  ...options
}: Partial<ApiServerOptions> & { clock?: Clock; headTimeoutMs?: number } = {}): Promise<ListeningServer> {
  const authority = await createAuthority('test');
  const serving = await issueCertificate(authority, {
    commonName: 'server',
    usages: ['server'],
    ipAddresses: ['127.0.0.1'],
  });
  const server = await createTestServer({ clock: systemClock, ...options });
  const listener = await server.api.listen({
    host: '127.0.0.1',
    port: 0,
    ...serving,
    clientCa: authority.cert,
    ...(headTimeoutMs && { headTimeoutMs }),
  });
  const agents: Agent[] = [];
  const connect = async (commonName: string, organizations: string[] = []) => {
    const usages = ['client' as const];
    const { cert, key } = await issueCertificate(authority, { commonName, organizations, usages });
    return { ca: authority.cert, cert, key };
  };
  return {
    server,
    port: listener.port,
    ca: authority.cert,
    connect,
    async as(commonName, organizations) {
      const agent = new Agent({ ...(await connect(commonName, organizations)), keepAlive: true });
      agents.push(agent);
      return (method, path, headers = {}, body) =>
        exchange({ host: '127.0.0.1', port: listener.port, agent, method, path, headers }, body);
    },
    async [Symbol.asyncDispose]() {
      for (const agent of agents) agent.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Sends one request and gathers the answer. */
export function exchange(options: RequestOptions, body?: string | Uint8Array): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
      answer.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}
