/** The server that recorded cases are held against: memory store, real TLS listener, an administrator's token. */
import { createKubernetesMetrics } from '../../src/api/component-base/kubernetes-metrics.ts';
import { createApiServer } from '../../src/apiserver/server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createAuthority, createTokenKeyPair, issueCertificate } from '../../src/base/x509/pki.ts';
import { createMemoryStore } from '../../src/storage/memory.ts';
import { RawClient } from './https-client.ts';

const adminToken = 'parity-admin';

export interface ParityServer {
  client: RawClient;
  close(): Promise<void>;
}

export async function startParityServer(
  log: (line: string) => void = () => undefined,
): Promise<ParityServer> {
  const ca = await createAuthority('kubernetes');
  const server = await issueCertificate(ca, {
    commonName: 'kube-apiserver',
    usages: ['server'],
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  const api = await createApiServer({
    store: createMemoryStore(),
    clock: systemClock,
    random: systemRandom,
    logger: createLogger({ clock: systemClock, level: 'warn', write: log }),
    metrics: createKubernetesMetrics(),
    security: {
      serviceAccountKeys: await createTokenKeyPair(),
      staticTokens: new Map([[adminToken, { name: 'admin', uid: 'admin-uid', groups: ['system:masters'] }]]),
    },
  });
  const listener = await api.listen({
    host: '127.0.0.1',
    port: 0,
    cert: server.cert,
    key: server.key,
    clientCa: ca.cert,
  });
  const client = new RawClient({ port: listener.port, ca: ca.cert, token: adminToken });
  return {
    client,
    async close() {
      client.close();
      await api.close();
    },
  };
}
