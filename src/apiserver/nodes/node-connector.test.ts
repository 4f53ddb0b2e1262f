import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import { Node } from '../../api/resources.gen.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import { NodeConnector, tunnelProblem } from './node-connector.ts';

test("an agent's answer to CONNECT has whether it connected, and why not", () => {
  const rows: [head: string, problem: string | undefined][] = [
    ['HTTP/1.1 200 Connection established', undefined],
    [
      'HTTP/1.1 502 Bad Gateway\r\nDial-Error: connect: connection refused\r\nContent-Length: 0',
      'connect: connection refused',
    ],
    ['HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain', 'the node answered 403'],
    ['SSH-2.0', 'the node answered no HTTP'],
  ];
  for (const [head, problem] of rows) assert.equal(tunnelProblem(head), problem, head);
});

test('an agent that does not answer whether it has connected is given up in time', async () => {
  const authority = await createAuthority('test');
  const own = await issueCertificate(authority, { commonName: 'n1', usages: ['server'] });
  const agent = createServer({ ...own }, (socket) => void socket.on('error', () => undefined));
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  const { port } = agent.address() as AddressInfo;
  const objects = new FakeObjects().put(Node, {
    metadata: { name: 'n1' },
    spec: {},
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  });
  const credentials = { ...own, ca: authority.cert };
  const connector = new NodeConnector(objects, credentials, { tunnelTimeoutMs: 50 });
  await assert.rejects(connector.tunnel('n1', '10.0.0.1', 80), {
    code: 503,
    message: 'error trying to reach service: dial tcp 10.0.0.1:80: i/o timeout',
  });
  agent.close();
});

test('simulated nodes are not dialed, since their addresses may be those of others', async () => {
  const objects = new FakeObjects().put(Node, {
    metadata: { name: 'n1' },
    spec: {},
    status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] },
  });
  const connector = new NodeConnector(objects, 'simulated');
  const refused = {
    code: 503,
    message: 'error dialing backend: node "n1" is simulated: nothing runs in its pods',
  };
  assert.throws(() => connector.connect('n1'), refused);
  await assert.rejects(connector.tunnel('n1', '127.0.0.1', 80), refused);
  assert.throws(() => connector.connect('n2'), { code: 404 });
});
