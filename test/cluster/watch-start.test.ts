import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '../../src/api/resources.gen.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { createInformerFactory } from '../../src/client/informers/informer-factory.ts';
import { createCluster } from './cluster.ts';

test('an object that is made while an informer starts is not missed, whatever the moment', async () => {
  await using cluster = await createCluster({ nodes: 0, controllers: [], scheduler: false });
  const { client, clock, random } = cluster;
  for (let turns = 0; turns < 20; turns++) {
    const stop = new AbortController();
    const factory = createInformerFactory(client, {
      clock,
      random,
      logger: silentLogger,
      signal: stop.signal,
    });
    const maps = factory.of(ConfigMap, { namespace: 'default' });
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const name = `made-after-${turns}`;
    await client.create(ConfigMap, { metadata: { name, namespace: 'default' } });
    await clock.advance(1_000);
    assert.ok(maps.get(`default/${name}`), name);
    stop.abort();
  }
});
