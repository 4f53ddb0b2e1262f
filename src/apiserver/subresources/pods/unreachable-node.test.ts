/** What clients are told when the agent of a node cannot be reached. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { freePort } from '../../../base/system/free-ports.fixture.ts';
import { createAuthority, issueCertificate } from '../../../base/x509/pki.ts';
import { createListeningServer, exchange } from '../../http/listener.fixture.ts';
import { NodeConnector } from '../../nodes/node-connector.ts';
import { createViewReader } from '../../view-reader.ts';

test('logs, commands and proxies say that the agent cannot be dialled, each in its own way', async () => {
  const { cert: ca } = await createAuthority('nodes');
  const pair = await issueCertificate(await createAuthority('clients'), {
    commonName: 'apiserver',
    usages: ['client'],
  });
  const credentials = { ...pair, ca };
  await using listening = await createListeningServer({ nodes: credentials });
  const { ask } = listening.server;
  const port = await freePort();
  await ask('POST', '/api/v1/nodes', {
    metadata: { name: 'n' },
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  });
  await ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const made = await ask('POST', '/api/v1/namespaces/default/pods', {
    metadata: { name: 'p' },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
  });
  assert.equal(made.status, 201, JSON.stringify(made.object));
  const objects = createViewReader(listening.server.api.registry.kinds);
  const identity = await listening.connect('admin', ['system:masters']);
  const to = (path: string, headers: Record<string, string> = {}) => ({
    host: '127.0.0.1',
    port: listening.port,
    path: `/api/v1/${path}`,
    headers,
    ...identity,
    agent: false as const,
  });
  const answerTo = async (path: string, upgrade?: string) => {
    const headers = upgrade ? { connection: 'Upgrade', upgrade } : undefined;
    const { body } = await exchange({ ...to(path, headers), method: upgrade ? 'POST' : 'GET' });
    const { code, reason, message } = JSON.parse(body.toString());
    return [code, reason, message];
  };
  const refused = `dial tcp 127.0.0.1:${port}: connect: connection refused`;
  const logs = `https://127.0.0.1:${port}/containerLogs/default/p/c`;
  const pod = 'namespaces/default/pods/p';
  assert.deepEqual(await answerTo(`${pod}/log`), [500, undefined, `Get "${logs}": ${refused}`]);
  assert.deepEqual(await answerTo(`${pod}/log?timestamps=true&follow=true`), [
    500,
    undefined,
    `Get "${logs}?follow=true&timestamps=true": ${refused}`,
  ]);
  for (const path of [
    `${pod}/exec?command=ls&stdout=true`,
    `${pod}/attach?stdout=true`,
    `${pod}/portforward`,
  ])
    assert.deepEqual(
      await answerTo(path, 'SPDY/3.1'),
      [500, undefined, `error dialing backend: ${refused}`],
      path,
    );
  // Over WebSockets whose protocol has a stream for the outcome, it says so there.
  const outcomeOf = async (path: string, protocol: string) => {
    const webSocket = new WebSocket(`wss://127.0.0.1:${listening.port}/api/v1/${path}`, [protocol], identity);
    const [message] = await Promise.race([
      once(webSocket, 'message'),
      once(webSocket, 'unexpected-response').then(([, answer]) => [answer.statusCode]),
    ]);
    if (!Buffer.isBuffer(message)) {
      webSocket.terminate();
      return message;
    }
    const [closed] = await once(webSocket, 'close');
    return { channel: message[0], ...JSON.parse(message.subarray(1).toString()), closed };
  };
  const why = (path: string) => `error sending request: Post "https://127.0.0.1:${port}/${path}": ${refused}`;
  const rows = [
    [
      'exec?command=ls&command=-l&stdout=true&stdin=true',
      'exec/default/p/c?command=ls&command=-l&input=1&output=1',
    ],
    ['attach?stdout=true', 'attach/default/p/c?output=1'],
  ] as const;
  for (const [asked, sent] of rows) {
    assert.deepEqual(await outcomeOf(`${pod}/${asked}`, 'v5.channel.k8s.io'), {
      channel: 3,
      metadata: {},
      status: 'Failure',
      message: `Internal error occurred: ${why(sent)}`,
      reason: 'InternalError',
      details: { causes: [{ message: why(sent) }] },
      code: 500,
      closed: 1000,
    });
    assert.equal(await outcomeOf(`${pod}/${asked}`, 'v4.channel.k8s.io'), 500);
  }
  assert.equal(await outcomeOf(`${pod}/portforward`, 'v2.portforward.k8s.io'), 500);
  // A proxy leads to no loopback address: what it would say of the connection is asked for itself.
  await assert.rejects(new NodeConnector(objects, credentials).connect('n'), {
    code: 503,
    reason: 'ServiceUnavailable',
    message: `error trying to reach service: ${refused}`,
  });
});
