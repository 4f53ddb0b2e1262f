import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { testMoveKeys } from '../move-keys.contract.ts';
import { testStoreContract } from '../store.contract.ts';
import type { Store, StoreEvent } from '../store.ts';
import { StoreUnavailableError } from '../store.ts';
import { type EtcdCluster, etcdInstalled, startEtcdCluster } from './etcd-cluster.fixture.ts';
import { createEtcdStore } from './etcd-store.ts';

const skip = etcdInstalled() ? false : 'etcd is not installed';
const bytes = (text: string) => new TextEncoder().encode(text);

if (!skip) {
  let single: EtcdCluster;
  before(async () => {
    single = await startEtcdCluster(1);
  });
  after(() => single.stop());
  const emptyStore = async () => {
    const store = await createEtcdStore({ endpoints: single.clientUrls, clock: systemClock });
    for (const entry of (await store.list('/registry/')).entries)
      await store.delete(entry.key, entry.modRevision);
    return store;
  };
  testStoreContract('etcd', emptyStore);
  testMoveKeys('etcd', emptyStore);
}

test('over the loss of the leader and of the majority no acknowledged write is lost and no event skipped or doubled', {
  skip,
  timeout: 120_000,
}, async () => {
  const cluster = await startEtcdCluster(3);
  const store = await createEtcdStore({ endpoints: cluster.clientUrls, clock: systemClock });
  const stop = new AbortController();
  try {
    const watched: StoreEvent[] = [];
    const following = follow(store, (await store.currentRevision()) + 1, watched, stop.signal);
    const acknowledged = new Set<string>();
    const counter = { next: 0 };

    await writeSome(store, counter, acknowledged, 20);
    const leader = await cluster.leader();
    await cluster.kill(leader);
    await writeSome(store, counter, acknowledged, 20);
    const second = cluster.alive()[0]!;
    await cluster.kill(second);
    await assert.rejects(store.create('/registry/f/in-vain', bytes('x')), StoreUnavailableError);
    await cluster.restart(second);
    await writeSome(store, counter, acknowledged, 20);
    await cluster.restart(leader);
    await writeSome(store, counter, acknowledged, 20);

    const { entries } = await store.list('/registry/f/');
    const present = new Set(entries.map((entry) => entry.key));
    for (const key of acknowledged) assert.ok(present.has(key), `${key} was acknowledged`);
    await store.currentRevision();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(watched.map((event) => event.key).sort(), [...present].sort());
    for (let index = 1; index < watched.length; index++) {
      assert.ok(watched[index]!.revision > watched[index - 1]!.revision, 'events come in order');
    }
    stop.abort();
    await following;
  } finally {
    stop.abort();
    await store.close();
    await cluster.stop();
  }
});

/** Writes until `count` writes were acknowledged, whatever fails meanwhile. */
async function writeSome(store: Store, counter: { next: number }, acknowledged: Set<string>, count: number) {
  const until = acknowledged.size + count;
  while (acknowledged.size < until) {
    const key = `/registry/f/${counter.next++}`;
    try {
      const result = await store.create(key, bytes(key));
      if (result.ok) acknowledged.add(key);
    } catch (error) {
      assert.ok(error instanceof StoreUnavailableError, String(error));
      await systemClock.sleep(50);
    }
  }
}

async function follow(
  store: Store,
  fromRevision: number,
  into: StoreEvent[],
  signal: AbortSignal,
): Promise<void> {
  for await (const batch of store.watch('/registry/f/', { fromRevision, signal })) into.push(...batch.events);
}
