/** A server behind an API server under test, and the objects by which that one knows of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import type { DialService } from '../outgoing/dial-service.ts';
import type { TestServer } from '../server.fixture.ts';

export interface AggregatedServer extends AsyncDisposable {
  /** For the API server: leads to the server behind, whatever the service. */
  dialService: DialService;
  /** Makes the service `flunders`, its endpoints, and an APIService for each version of `wardle.example.com`. */
  register(ask: TestServer['ask'], versions?: readonly string[]): Promise<void>;
}

export async function startAggregatedServer(answer: RequestListener): Promise<AggregatedServer> {
  const authority = await createAuthority('backend');
  const pair = await issueCertificate(authority, {
    commonName: 'backend',
    usages: ['server'],
    dnsNames: ['flunders.default.svc'],
  });
  const backend = createServer(pair, answer).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  const caBundle = Buffer.from(authority.cert).toString('base64');
  return {
    dialService: async () => connect(port, '127.0.0.1'),
    async register(ask, versions = ['v1']) {
      const make = async (path: string, body: object) => {
        const { status, object } = await ask('POST', path, body);
        assert.equal(status, 201, JSON.stringify(object));
      };
      await make('/api/v1/namespaces/default/services', {
        metadata: { name: 'flunders' },
        spec: { ports: [{ port: 443 }] },
      });
      await make('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
        metadata: { name: 'flunders', labels: { 'kubernetes.io/service-name': 'flunders' } },
        addressType: 'IPv4',
        ports: [{ port: 8443, name: '' }],
        endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready: true } }],
      });
      for (const version of versions)
        await make('/apis/apiregistration.k8s.io/v1/apiservices', {
          metadata: { name: `${version}.wardle.example.com` },
          spec: {
            group: 'wardle.example.com',
            version,
            groupPriorityMinimum: 2000,
            versionPriority: 10,
            caBundle,
            service: { namespace: 'default', name: 'flunders' },
          },
        });
    },
    async [Symbol.asyncDispose]() {
      backend.closeAllConnections();
      backend.close();
    },
  };
}
