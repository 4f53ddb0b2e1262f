import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { ConfigMap } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { createApiServer } from '../../apiserver/server.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { systemRandom } from '../../base/random.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { createClient } from '../create-client.ts';
import { httpTransport, readEvents } from './http-transport.ts';
import { TransportError } from './transport.ts';

const namespace = 'default';

test('over TLS: objects, errors of the server, watches, many streams at once, and a server that goes away', async () => {
  const authority = await createAuthority('test');
  const serving = await issueCertificate(authority, {
    commonName: 'server',
    usages: ['server'],
    ipAddresses: ['127.0.0.1'],
  });
  const admin = await issueCertificate(authority, {
    commonName: 'admin',
    organizations: ['system:masters'],
    usages: ['client'],
  });
  const options = {
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    metrics: new MetricsRegistry(),
  };
  const server = await createApiServer({ store: createMemoryStore(), ...options });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, ...serving, clientCa: authority.cert });
  const transport = httpTransport({ server: `https://127.0.0.1:${port}`, ca: authority.cert, ...admin });
  const client = createClient(transport);
  try {
    const stop = new AbortController();
    const { metadata } = await client.list(ConfigMap, { namespace });
    const seen: string[] = [];
    const watching = (async () => {
      const query = { namespace, resourceVersion: metadata.resourceVersion };
      for await (const event of client.watch(ConfigMap, query, stop.signal)) {
        seen.push(`${event.type} ${event.object.metadata.name}`);
        if (event.type === 'DELETED') stop.abort(new Error('seen enough'));
      }
    })();
    const created = await client.create(ConfigMap, {
      metadata: { name: 'a', namespace },
      data: { text: 'ä\n"' },
    });
    assert.equal(created.data?.text, 'ä\n"');
    await client.patch(ConfigMap, { name: 'a', namespace }, { data: { text: null } }, { type: 'merge' });
    await assert.rejects(
      client.get(ConfigMap, { name: 'b', namespace }),
      (error) => error instanceof StatusError && error.reason === 'NotFound',
    );
    await Promise.all(Array.from({ length: 300 }, () => client.get(ConfigMap, { name: 'a', namespace })));
    await client.delete(ConfigMap, { name: 'a', namespace });
    await watching;
    assert.deepEqual(seen, ['ADDED a', 'MODIFIED a', 'DELETED a']);
    const stranger = createClient(httpTransport({ server: `https://127.0.0.1:${port}`, ca: authority.cert }));
    await assert.rejects(stranger.list(ConfigMap, { namespace }), StatusError);
    const distrusting = createClient(
      httpTransport({ server: `https://127.0.0.1:${port}`, ca: (await createAuthority('other')).cert }),
    );
    await assert.rejects(distrusting.list(ConfigMap, { namespace }), TransportError);
  } finally {
    await server.close();
  }
  await assert.rejects(client.list(ConfigMap, { namespace }), TransportError);
  await assert.rejects(client.list(ConfigMap, { namespace }), {
    message: `127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
  });
  transport.close();
});

test('events come in pieces of any size, and one that is too long ends the watch', async () => {
  const event = (name: string) => JSON.stringify({ type: 'ADDED', object: { metadata: { name } } });
  const text = `${event('a')}\n${event('b')}\n`;
  const names: string[] = [];
  for await (const { object } of readEvents(
    Readable.from([...text].map((char) => Buffer.from(char))),
    100,
    undefined,
  ))
    names.push(String(object.metadata?.name));
  assert.deepEqual(names, ['a', 'b']);
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(60, 'x');
    })(),
  );
  await assert.rejects(readEvents(endless, 100, undefined).next(), TransportError);
  assert.equal(endless.destroyed, true);
});
