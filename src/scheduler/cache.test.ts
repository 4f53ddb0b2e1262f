import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/resources.gen.ts';
import { SchedulerCache } from './cache.ts';
import { createPodInfo } from './framework/pod-info.ts';
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

test('a pod that the server shows where it was assumed to be is not counted again', () => {
  const pod = makePod('p', { requests: { cpu: '1' } });
  const cache = new SchedulerCache();
  cache.setNode(makeNode('a'));
  const info = createPodInfo(pod);
  cache.assume(info, 'a');
  const memory = cache.memoryOf(1);
  memory.note(0, undefined);
  const labels = { zone: 'z' };
  cache.setPod(changed(pod, { generation: 2, labels }, { ...pod.spec!, nodeName: 'a' }));
  assert.equal(cache.placedPod(pod.metadata.uid), info);
  assert.equal(memory.recall(0), 'fits', 'the node has not changed');
  const labelled = {
    ...living,
    key: 'z',
    matches: (_: string, all?: { zone?: string }) => all?.zone === 'z',
  };
  assert.equal(cache.pods.select(labelled).total, 1, 'the labels that the binding has added count');
  const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu: '2' } } }];
  cache.setPod(changed(pod, { generation: 3 }, { ...pod.spec!, nodeName: 'a', containers }));
  assert.equal(cache.node('a')!.requested.milliCpu, 2000);
});

test('a pod whose terms take values from its labels has other terms when they change', () => {
  const term = {
    topologyKey: 'kubernetes.io/hostname',
    labelSelector: { matchLabels: { app: 'a' } },
    matchLabelKeys: ['version'],
  };
  const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  const pod = makePod('p', { labels: { app: 'a', version: '1' }, spec: { nodeName: 'a', affinity } });
  const cache = cacheWith(pod);
  cache.setPod(changed(pod, { labels: { app: 'a', version: '2' } }));
  const [carried] = cache.pods.carried('requiredAntiAffinity');
  assert.deepEqual([carried?.term.selector({ app: 'a', version: '2' }), carried?.counts.size], [true, 1]);
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
