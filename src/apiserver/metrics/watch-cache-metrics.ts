/** What the watch cache of each resource has done, under upstream's names. */
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { KindRegistry } from '../registry/kind-registry.ts';
import type { CacheCounts } from '../watch-cache/resource-cache.ts';

/** Lists that go through all objects, as no index helps them. */
const withoutIndex = { index: '' };

/** The store's watch feeds nothing but the watch caches: what they receive is what it sends. */
const families: readonly {
  name: string;
  help: string;
  more?: object;
  of: (counts: CacheCounts) => number;
}[] = [
  {
    name: 'apiserver_storage_events_received_total',
    help: 'Number of events received from the store split by kind.',
    of: ({ eventsReceived }) => eventsReceived,
  },
  {
    name: 'apiserver_watch_cache_events_received_total',
    help: 'Counter of events received in watch cache broken by resource type.',
    of: ({ eventsReceived }) => eventsReceived,
  },
  {
    name: 'apiserver_watch_cache_events_dispatched_total',
    help: 'Counter of events dispatched in watch cache broken by resource type.',
    of: ({ eventsDispatched }) => eventsDispatched,
  },
  {
    name: 'apiserver_init_events_total',
    help: 'Counter of init events processed in watch cache broken by resource type.',
    of: ({ initialEvents }) => initialEvents,
  },
  {
    name: 'apiserver_cache_list_total',
    help: 'Number of LIST requests served from watch cache',
    more: withoutIndex,
    of: ({ lists }) => lists,
  },
  {
    name: 'apiserver_cache_list_fetched_objects_total',
    help: 'Number of objects read from watch cache in the course of serving a LIST request',
    more: withoutIndex,
    of: ({ objectsFetched }) => objectsFetched,
  },
  {
    name: 'apiserver_cache_list_returned_objects_total',
    help: 'Number of objects returned for a LIST request from watch cache',
    of: ({ objectsReturned }) => objectsReturned,
  },
];

/** Resources of which there is nothing to report are left out, as they are upstream. */
export function collectWatchCaches(metrics: MetricsRegistry, kinds: KindRegistry): void {
  for (const { name, help, more, of } of families) {
    const collect = function* () {
      for (const { served, cache, group, plural } of kinds.all()) {
        if (served || !cache) continue;
        const value = of(cache.counts);
        if (value > 0) yield { labels: { group, resource: plural, ...more }, value };
      }
    };
    metrics.collected(name, help, collect, 'counter');
  }
}
