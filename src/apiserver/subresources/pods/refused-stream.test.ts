/** What clients are told when the agent of a node refuses a command. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { createAuthority, issueCertificate } from '../../../base/x509/pki.ts';
import { createListeningServer } from '../../http/listener.fixture.ts';

/** What the agent does about the command of this name. */
const refusals: Readonly<Record<string, { status: number; body: string } | 'hangs up'>> = {
  text: { status: 404, body: 'container not found ("c")\n' },
  status: { status: 500, body: JSON.stringify({ kind: 'Status', message: ' no runtime ' }) },
  error: { status: 500, body: '{"error":"broken"}' },
  number: { status: 500, body: '7' },
  nothing: { status: 403, body: '' },
  long: { status: 500, body: 'x'.repeat(1_000_000) },
  broken: 'hangs up',
};

test('what an agent says of a refusal reaches clients over their WebSocket, or as the answer to older ones', async () => {
  const authority = await createAuthority('nodes');
  const serving = await issueCertificate(authority, {
    commonName: 'n',
    usages: ['server'],
    ipAddresses: ['127.0.0.1'],
  });
  const agent = createServer(serving);
  agent.on('upgrade', (request, socket) => {
    const refusal = refusals[new URL(request.url!, 'https://n').searchParams.get('command')!]!;
    if (refusal === 'hangs up') return socket.destroy();
    const { status, body } = refusal;
    const length = Buffer.byteLength(body);
    return socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: ${length}\r\n\r\n${body}`);
  });
  await once(agent.listen(0, '127.0.0.1'), 'listening');
  const { port } = agent.address() as AddressInfo;
  const client = await issueCertificate(await createAuthority('clients'), {
    commonName: 'apiserver',
    usages: ['client'],
  });
  await using listening = await createListeningServer({ nodes: { ...client, ca: authority.cert } });
  const { ask } = listening.server;
  await ask('POST', '/api/v1/nodes', {
    metadata: { name: 'n' },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  });
  await ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  await ask('POST', '/api/v1/namespaces/default/pods', {
    metadata: { name: 'p' },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
  });
  const identity = await listening.connect('admin', ['system:masters']);
  const ws = (command: string, protocol: string) =>
    new WebSocket(
      `wss://127.0.0.1:${listening.port}/api/v1/namespaces/default/pods/p/exec?command=${command}&stdout=true`,
      [protocol],
      identity,
    );
  const messageFor = async (command: string) => {
    const webSocket = ws(command, 'v5.channel.k8s.io');
    const [data] = await once(webSocket, 'message');
    await once(webSocket, 'close');
    const { status, reason, code, message } = JSON.parse((data as Buffer).subarray(1).toString());
    assert.deepEqual([data[0], status, reason, code], [3, 'Failure', 'InternalError', 500], command);
    return message as string;
  };
  const internal = 'Internal error occurred: ';
  const noUpgrade = `${internal}unable to upgrade connection: `;
  try {
    for (const [command, why] of [
      ['text', 'container not found ("c")'],
      ['status', 'no runtime'],
      ['error', 'broken'],
      ['number', '7'],
      ['nothing', 'empty server response'],
      ['long', 'x'.repeat(64 * 1024)],
    ] as const)
      assert.equal(await messageFor(command), noUpgrade + why, command);
    const url = `https://127.0.0.1:${port}/exec/default/p/c?command=broken&output=1`;
    assert.equal(await messageFor('broken'), `${internal}error sending request: Post "${url}": EOF`);
    const older = ws('text', 'v4.channel.k8s.io');
    older.on('error', () => undefined);
    const [, answer] = await once(older, 'unexpected-response');
    assert.equal(answer.statusCode, 404);
    older.terminate();
  } finally {
    agent.close();
    agent.closeAllConnections();
  }
});
