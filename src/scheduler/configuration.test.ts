import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeCluster } from './cluster.fake.ts';
import { buildProfiles, type SchedulerConfiguration } from './configuration.ts';
import { parseSchedulerConfiguration } from './kube-scheduler-configuration.ts';
import { makeNode, makePod } from './objects.fake.ts';

const header = { apiVersion: 'kubescheduler.config.k8s.io/v1', kind: 'KubeSchedulerConfiguration' };

/** The node that a small pod gets: `full` already has a pod, `empty` has none. */
async function placeWith(
  configuration: SchedulerConfiguration,
  schedulerName = 'default-scheduler',
  requests = { cpu: '100m', memory: '100Mi' },
) {
  const cluster = new FakeCluster();
  cluster.addNodes(makeNode('full'), makeNode('empty'));
  cluster.addPods(makePod('resident', { requests: { cpu: '2', memory: '8Gi' }, spec: { nodeName: 'full' } }));
  cluster.addPods(makePod('x', { requests, spec: { schedulerName } }));
  cluster.start(configuration);
  await cluster.clock.advance(0);
  await cluster.stop();
  return cluster.nodeOf('x');
}

function strategy(type: string, more: object = {}): SchedulerConfiguration {
  const scoringStrategy = {
    type,
    resources: [
      { name: 'cpu', weight: 1 },
      { name: 'memory', weight: 1 },
    ],
    ...more,
  };
  return parseSchedulerConfiguration({
    ...header,
    profiles: [
      { schedulerName: 'default-scheduler' },
      { schedulerName: 'mine', pluginConfig: [{ name: 'NodeResourcesFit', args: { scoringStrategy } }] },
    ],
  });
}

test('the default profile prefers the emptier node', async () => {
  assert.equal(await placeWith(strategy('MostAllocated')), 'empty');
});
test('a profile of another name with MostAllocated packs pods together', async () => {
  assert.equal(await placeWith(strategy('MostAllocated'), 'mine'), 'full');
});
test('events come from the profile of the pod that they are due to', async () => {
  const cluster = new FakeCluster();
  cluster.addNodes(makeNode('a'));
  cluster.addPods(
    makePod('victim', { requests: { cpu: '3' }, spec: { nodeName: 'a', priority: 1 } }),
    makePod('vip', { requests: { cpu: '3' }, spec: { schedulerName: 'mine', priority: 100 } }),
    makePod('usual', { spec: {} }),
  );
  cluster.start(strategy('MostAllocated'));
  await cluster.clock.advance(0);
  await cluster.stop();
  const seen = cluster.events.map(({ component, object, reason }) => [object, reason, component]);
  assert.deepEqual(
    new Map(seen.map(([object, reason, component]) => [`${object} ${reason}`, component])),
    new Map([
      ['vip FailedScheduling', 'mine'],
      ['victim Preempted', 'mine'],
      ['vip Scheduled', 'mine'],
      ['usual Scheduled', 'default-scheduler'],
    ]),
  );
});
test("a shape of one's own scores by utilization", async () => {
  const shape = (points: object[]) =>
    strategy('RequestedToCapacityRatio', { requestedToCapacityRatio: { shape: points } });
  const rising = [
    { utilization: 0, score: 0 },
    { utilization: 100, score: 10 },
  ];
  const falling = [
    { utilization: 0, score: 10 },
    { utilization: 100, score: 0 },
  ];
  assert.equal(await placeWith(shape(rising), 'mine'), 'full');
  assert.equal(await placeWith(shape(falling), 'mine'), 'empty');
});
test('a filter that is switched off no longer refuses', async () => {
  const off = parseSchedulerConfiguration({
    ...header,
    profiles: [{ plugins: { filter: { disabled: [{ name: 'NodeResourcesFit' }] } } }],
  });
  assert.notEqual(await placeWith(off, 'default-scheduler', { cpu: '50', memory: '1Gi' }), undefined);
});
test('a plugin that is switched off everywhere says nothing', async () => {
  const off = parseSchedulerConfiguration({
    ...header,
    profiles: [
      {
        plugins: {
          multiPoint: {
            disabled: [{ name: 'NodeResourcesFit' }, { name: 'NodeResourcesBalancedAllocation' }],
          },
        },
      },
    ],
  });
  assert.notEqual(await placeWith(off, 'default-scheduler', { cpu: '50', memory: '1Gi' }), undefined);
});
test('an invalid configuration, or one with unknown plugins, is refused', () => {
  assert.throws(
    () => parseSchedulerConfiguration({ kind: 'Pod', apiVersion: 'v1' }),
    /no KubeSchedulerConfiguration/,
  );
  assert.throws(() => parseSchedulerConfiguration({ ...header, profiles: [{}, {}] }), /same schedulerName/);
});

test('a plugin that is named like a function of all objects does not exist', () => {
  const configuration = (name: string) =>
    parseSchedulerConfiguration({
      ...header,
      profiles: [
        { plugins: { multiPoint: { enabled: [{ name }] } }, pluginConfig: [{ name, args: { a: 1 } }] },
      ],
    });
  assert.throws(
    () => buildProfiles(configuration('constructor'), {} as never),
    /there is no scheduler plugin constructor/,
  );
});

test('how long drivers may prepare devices is a duration of a second at least', () => {
  const parse = (args: object) =>
    parseSchedulerConfiguration({
      ...header,
      profiles: [{ pluginConfig: [{ name: 'DynamicResources', args }] }],
    }).profiles[0]!.args?.DynamicResources;
  assert.deepEqual(parse({ bindingTimeout: '1m30s', filterTimeout: '10s' }), { bindingTimeoutMs: 90_000 });
  assert.deepEqual(parse({}), {});
  assert.throws(() => parse({ bindingTimeout: '500ms' }), {
    message: 'bindingTimeout: Invalid value: "500ms": must be at least 1 second',
  });
  assert.throws(() => parse({ filterTimeout: '-1s' }), /filterTimeout: .*must be zero or positive/);
  assert.throws(() => parse({ bindingTimeout: 'soon' }), { message: 'time: invalid duration "soon"' });
});
