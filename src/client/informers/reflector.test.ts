import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { createClient } from '../create-client.ts';
import type { Transport } from '../transport/transport.ts';
import { type ReflectorSink, runReflector } from './reflector.ts';

const pages = 5;

/** Answers at once, as a server in the same process does: every page but the last names the next one. */
function pagedTransport(): Transport {
  return {
    async send({ path }) {
      if (path.includes('watch=')) return { status: 200, events: noEvents() };
      const page = Number(/continue=(\d+)/.exec(path)?.[1] ?? 0);
      const items = [{ metadata: { name: `c${page}`, namespace: 'default', uid: '', resourceVersion: '1' } }];
      const metadata = { resourceVersion: '7', ...(page + 1 < pages && { continue: String(page + 1) }) };
      return { status: 200, object: { kind: 'ConfigMapList', apiVersion: 'v1', metadata, items } };
    },
    close: () => undefined,
  };
}

async function* noEvents() {
  // The watch ends at once.
}

test('a long list is one replacement, and others get their turn between its pages', async () => {
  const stop = new AbortController();
  let turns = 0;
  const count = () => {
    turns++;
    if (!stop.signal.aborted) setImmediate(count);
  };
  setImmediate(count);
  const replaced = Promise.withResolvers<string[]>();
  const sink: ReflectorSink<ConfigMap> = {
    replace: (items) => replaced.resolve(items.map(({ metadata }) => metadata.name)),
    apply: () => assert.fail('there are no events'),
    progressed: () => undefined,
  };
  const running = runReflector<ConfigMap>(
    {
      client: createClient(pagedTransport()),
      type: ConfigMap,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      signal: stop.signal,
    },
    sink,
  );
  assert.deepEqual(await replaced.promise, ['c0', 'c1', 'c2', 'c3', 'c4']);
  assert.ok(turns >= pages - 1, `${turns} turns`);
  stop.abort();
  await running;
});
