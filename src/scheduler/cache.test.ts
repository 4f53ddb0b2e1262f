import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/resources.gen.ts';
import { SchedulerCache } from './cache.ts';
import { makeNode, makePod } from './objects.fake.ts';

/** As it comes from the server: unchanged parts are the very same objects. */
function changed(pod: Pod, metadata: object, spec: Pod['spec'] = pod.spec): Pod {
  return { ...pod, metadata: { ...pod.metadata, ...metadata }, spec } as Pod;
}

function cacheWith(pod: Pod): SchedulerCache {
  const cache = new SchedulerCache();
  cache.setNode(makeNode('a'));
  cache.setPod(pod);
  return cache;
}

const living = { key: 'all', matches: () => true, livingOnly: true, required: [] };

test('a pod that is going takes its room still, and does not count among the living', () => {
  const pod = makePod('p', { requests: { cpu: '1' }, spec: { nodeName: 'a' } });
  const cache = cacheWith(pod);
  assert.equal(cache.pods.select(living).total, 1);
  const info = cache.placedPod(pod.metadata.uid);
  const memory = cache.memoryOf(1);
  memory.note(0, undefined);
  cache.setPod(changed(pod, { deletionTimestamp: 'now', generation: 2 }));
  assert.equal(cache.pods.select(living).total, 0);
  assert.equal(cache.node('a')!.requested.milliCpu, 1000);
  assert.equal(cache.placedPod(pod.metadata.uid), info);
  assert.equal(memory.recall(0), 'fits', 'the node has not changed');
  cache.removePod(pod.metadata.uid);
  assert.equal(cache.node('a')!.requested.milliCpu, 0);
});

test('a pod whose requests or labels change is counted again', () => {
  const pod = makePod('p', { requests: { cpu: '1' }, labels: { app: 'a' }, spec: { nodeName: 'a' } });
  const cache = cacheWith(pod);
  const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu: '2' } } }];
  const grown = changed(pod, { generation: 2 }, { ...pod.spec!, containers });
  cache.setPod(grown);
  assert.equal(cache.node('a')!.requested.milliCpu, 2000);
  const selection = {
    ...living,
    key: 'b',
    matches: (_: string, labels?: object) => JSON.stringify(labels) === '{"app":"b"}',
  };
  assert.equal(cache.pods.select(selection).total, 0);
  cache.setPod(changed(grown, { labels: { app: 'b' } }));
  assert.equal(cache.pods.select(selection).total, 1);
});
