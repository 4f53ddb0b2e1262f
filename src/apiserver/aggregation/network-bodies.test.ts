import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { createAuthority, issueCertificate } from '../../base/pki.ts';
import { createListeningServer } from '../http/listener.fixture.ts';

test('bodies reach an aggregated server whole, whether they fit into what is read ahead or not', async () => {
  const authority = await createAuthority('backend');
  const pair = await issueCertificate(authority, {
    commonName: 'backend',
    usages: ['server'],
    dnsNames: ['flunders.default.svc'],
  });
  const backend = createServer(pair, async (request, response) => {
    let sizeBytes = 0;
    for await (const chunk of request) sizeBytes += (chunk as Buffer).length;
    const answer = request.method === 'POST' ? { sizeBytes } : { resources: [] };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  await using listening = await createListeningServer({
    dialService: async () => connect(port, '127.0.0.1'),
  });
  const { ask } = listening.server;
  await ask('POST', '/api/v1/namespaces/default/services', {
    metadata: { name: 'flunders' },
    spec: { ports: [{ port: 443 }] },
  });
  await ask('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { name: 'flunders', labels: { 'kubernetes.io/service-name': 'flunders' } },
    addressType: 'IPv4',
    ports: [{ port: 8443, name: '' }],
    endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready: true } }],
  });
  const made = await ask('POST', '/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name: 'v1.wardle.example.com' },
    spec: {
      group: 'wardle.example.com',
      version: 'v1',
      groupPriorityMinimum: 2000,
      versionPriority: 10,
      caBundle: Buffer.from(authority.cert).toString('base64'),
      service: { namespace: 'default', name: 'flunders' },
    },
  });
  assert.equal(made.status, 201, JSON.stringify(made.object));
  const send = await listening.as('admin', ['system:masters']);
  const path = '/apis/wardle.example.com/v1/namespaces/default/flunders';
  const post = (body: Buffer) => send('POST', path, { 'content-type': 'application/json' }, body);
  let first = await post(Buffer.alloc(100_000));
  while (first.status === 503) {
    await systemClock.sleep(50);
    first = await post(Buffer.alloc(100_000));
  }
  assert.deepEqual(JSON.parse(first.body.toString()), { sizeBytes: 100_000 });
  const second = await post(Buffer.alloc(5_000_000));
  assert.deepEqual(JSON.parse(second.body.toString()), { sizeBytes: 5_000_000 });
  const third = await send('POST', path, { 'transfer-encoding': 'chunked' }, Buffer.alloc(4_000_000));
  assert.deepEqual(JSON.parse(third.body.toString()), { sizeBytes: 4_000_000 });
  backend.closeAllConnections();
  backend.close();
});
