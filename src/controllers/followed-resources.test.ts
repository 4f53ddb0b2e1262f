import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceType } from '../api/meta.ts';
import { notFound } from '../api/status.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { sparse } from '../base/sparse.fixture.ts';
import { VirtualClock } from '../base/virtual-clock.ts';
import type { Client } from '../client/client.ts';
import type { ControllerEnvironment } from '../client/controller/controller-cluster.ts';
import { FollowedResources } from './followed-resources.ts';

test('a resource that is served in another version is followed there, as the same resource', async () => {
  let served = 'v1beta1';
  const clock = new VirtualClock();
  const stop = new AbortController();
  const client = sparse<Client>({
    raw: async (_method: string, path: string) => {
      if (path === '/apis')
        return {
          groups: [{ name: 'x.io', versions: [{ version: served }], preferredVersion: { version: served } }],
        };
      const widgets = { name: 'widgets', kind: 'Widget', namespaced: true, verbs: ['list', 'watch'] };
      return { resources: path.startsWith('/apis/x.io') ? [widgets] : [] };
    },
    list: async (type: ResourceType) => {
      if (type.version !== served) throw notFound(type, '');
      return { items: [{ metadata: { name: served } }], metadata: { resourceVersion: '1' } };
    },
    watch: async function* (_type: ResourceType, _query: unknown, signal: AbortSignal) {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
    reachability: { pause: async () => false },
  });
  const seen: { resource: ResourceType; names: string[] }[] = [];
  const stopped: ResourceType[] = [];
  const followed = new FollowedResources(
    sparse<ControllerEnvironment>({
      client,
      clock,
      random: seededRandom(1),
      logger: silentLogger,
      informers: { of: () => ({ handle: () => undefined }) },
    }),
    {
      name: 'test',
      isWanted: () => true,
      sinkOf: (resource) => ({
        replace: (items) => seen.push({ resource, names: items.map(({ metadata }) => metadata.name) }),
        apply: () => undefined,
        progressed: () => undefined,
      }),
      stopped: (resource) => stopped.push(resource),
    },
    stop.signal,
  );
  const running = followed.run();
  await clock.advance(0);
  await followed.ready;
  served = 'v1';
  followed.refresh();
  await clock.advance(1_000);
  assert.deepEqual(
    seen.map(({ names }) => names),
    [['v1beta1'], ['v1']],
  );
  const [before, after] = seen.map(({ resource }) => resource);
  assert.equal(after, before);
  assert.equal(after!.version, 'v1');
  assert.deepEqual(stopped, []);
  stop.abort(new Error('over'));
  await running;
});
