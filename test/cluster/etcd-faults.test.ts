/** Two API servers on one etcd of three members, which loses its leader, then its majority, then gets it back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApiServer } from '../../src/apiserver/server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { MetricsRegistry } from '../../src/base/metrics.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { Transport } from '../../src/client/transport/transport.ts';
import { etcdInstalled, startEtcdCluster } from '../../src/storage/etcd/etcd-cluster.fixture.ts';
import { createEtcdStore } from '../../src/storage/etcd/etcd-store.ts';

const skip = etcdInstalled() ? false : 'etcd is not installed';
const path = '/api/v1/namespaces/default/configmaps';
const admin = { name: 'admin', groups: ['system:masters'] };
/** Upper bound of the time that etcd may take to be one again. */
const patienceMs = 60_000;

async function startServer(endpoints: string[], seed: number) {
  const store = await createEtcdStore({ endpoints, clock: systemClock });
  const api = await createApiServer({
    store,
    clock: systemClock,
    random: seededRandom(seed),
    logger: silentLogger,
    metrics: new MetricsRegistry(),
    sharedStore: true,
  });
  return {
    transport: api.localTransport(admin),
    async close() {
      await api.close();
      await store.close();
    },
  };
}

/** The outcome of a write: acknowledged, certainly refused, or unknown. */
interface Ledger {
  next: number;
  acknowledged: Set<string>;
  attempted: Set<string>;
}

/** Creates through the servers in turn until `count` more are acknowledged. Whatever fails must be clear and retryable. */
async function writeSome(servers: Transport[], ledger: Ledger, count: number): Promise<void> {
  const until = ledger.acknowledged.size + count;
  const deadline = Date.now() + patienceMs;
  while (ledger.acknowledged.size < until) {
    assert.ok(Date.now() < deadline, 'writes succeed again in time');
    const name = `c${ledger.next++}`;
    ledger.attempted.add(name);
    const server = servers[ledger.next % servers.length]!;
    const answer = await server.send({ method: 'POST', path, body: { metadata: { name }, data: { name } } });
    if (answer.status === 201) ledger.acknowledged.add(name);
    else await expectRetryable(answer);
  }
}

async function expectRetryable(answer: { status: number; object?: unknown }): Promise<void> {
  const { reason, details } = answer.object as { reason: string; details?: { retryAfterSeconds?: number } };
  assert.deepEqual([answer.status, reason], [503, 'ServiceUnavailable']);
  assert.equal(details?.retryAfterSeconds, 1);
  await systemClock.sleep(50);
}

/** Follows from a list on, as an informer does: a watch that ends is opened again where it ended. */
async function follow(server: Transport, from: string, into: string[], signal: AbortSignal): Promise<void> {
  let version = from;
  while (!signal.aborted) {
    const answer = await server.send({
      method: 'GET',
      path: `${path}?watch=1&resourceVersion=${version}`,
      signal,
    });
    if (!('events' in answer)) {
      await expectRetryable(answer);
      continue;
    }
    for await (const { type, object } of answer.events as AsyncIterable<{
      type: string;
      object: { metadata: { name: string; resourceVersion: string } };
    }>) {
      if (type === 'ERROR') break;
      into.push(`${type} ${object.metadata.name}`);
      version = object.metadata.resourceVersion;
    }
  }
}

test('no acknowledged write is lost, no watch skips or doubles an event, and errors say to try again', {
  skip,
  timeout: 240_000,
}, async () => {
  const cluster = await startEtcdCluster(3);
  const servers = [await startServer(cluster.clientUrls, 1), await startServer(cluster.clientUrls, 2)];
  const transports = servers.map(({ transport }) => transport);
  const stop = new AbortController();
  try {
    const list = await transports[0]!.send({ method: 'GET', path });
    const from = (list as { object: { metadata: { resourceVersion: string } } }).object.metadata
      .resourceVersion;
    const seen: string[][] = [[], []];
    const following = transports.map((transport, index) =>
      follow(transport, from, seen[index]!, stop.signal),
    );
    const ledger: Ledger = { next: 0, acknowledged: new Set(), attempted: new Set() };

    await writeSome(transports, ledger, 20);
    const leader = await cluster.leader();
    await cluster.kill(leader);
    await writeSome(transports, ledger, 20);
    const second = cluster.alive()[0]!;
    await cluster.kill(second);
    for (const transport of transports) {
      const name = `c${ledger.next++}`;
      ledger.attempted.add(name);
      await expectRetryable(await transport.send({ method: 'POST', path, body: { metadata: { name } } }));
    }
    await cluster.restart(second);
    await writeSome(transports, ledger, 20);
    await cluster.restart(leader);
    await writeSome(transports, ledger, 20);

    const stored = await Promise.all(transports.map((transport) => namesOf(transport)));
    assert.deepEqual(stored[0], stored[1], 'both servers show the same');
    for (const name of ledger.acknowledged) assert.ok(stored[0]!.includes(name), `${name} was acknowledged`);
    for (const name of stored[0]!) assert.ok(ledger.attempted.has(name), `${name} was asked for`);
    const expected = stored[0]!.map((name) => `ADDED ${name}`);
    const deadline = Date.now() + patienceMs;
    while (seen.some(({ length }) => length < expected.length)) {
      assert.ok(Date.now() < deadline, 'watches catch up');
      await systemClock.sleep(50);
    }
    for (const events of seen) assert.deepEqual([...events].sort(), expected, 'each event once');
    assert.deepEqual(seen[0], seen[1], 'in one order for all');
    stop.abort();
    await Promise.allSettled(following);
  } finally {
    stop.abort();
    for (const server of servers) await server.close();
    await cluster.stop();
  }
});

async function namesOf(transport: Transport): Promise<string[]> {
  const { object } = (await transport.send({ method: 'GET', path })) as {
    object: { items: { metadata: { name: string } }[] };
  };
  return object.items.map(({ metadata }) => metadata.name).sort();
}
