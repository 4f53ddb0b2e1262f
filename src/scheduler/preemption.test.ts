import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LabelSelector } from '../api/meta.ts';
import { Pod, PodDisruptionBudget } from '../api/resources.gen.ts';
import { sparse } from '../base/sparse.fixture.ts';
import { FakeCluster } from './cluster.fake.ts';
import { makeNode, makePod } from './objects.fake.ts';

const running = (name: string, on: string, priority: number, cpu: string) =>
  makePod(name, {
    requests: { cpu },
    labels: { app: name },
    spec: { nodeName: on, priority },
    status: { phase: 'Running', startTime: '2026-01-01T00:00:00Z' },
  });

async function preempt(
  prepare: (cluster: FakeCluster) => void,
  check: (cluster: FakeCluster) => void | Promise<void>,
  preemptor: object = {},
): Promise<void> {
  const cluster = new FakeCluster();
  prepare(cluster);
  cluster.addPods(makePod('vip', { requests: { cpu: '2' }, spec: { priority: 100, ...preemptor } }));
  cluster.start();
  await cluster.clock.advance(0);
  await check(cluster);
  await cluster.stop();
}

test('the least important pods are evicted with the reason, and the pod takes their place', () =>
  preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'), makeNode('b'));
      cluster.addPods(running('low', 'a', 1, '3'), running('mid', 'b', 2, '3'));
    },
    async (cluster) => {
      assert.equal(cluster.pod('low'), undefined);
      assert.notEqual(cluster.pod('mid'), undefined);
      assert.deepEqual(cluster.eventsOf('low'), [
        `Preempted: Preempted by pod ${cluster.pod('vip').metadata.uid} on node a`,
      ]);
      assert.equal(
        cluster.eventsOf('vip')[0],
        'FailedScheduling: 0/2 nodes are available: 2 Insufficient cpu.',
      );
      assert.equal(cluster.nodeOf('vip'), 'a');
    },
  ));

test('only as many go as are needed', () =>
  preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'));
      cluster.addPods(running('x', 'a', 1, '1'), running('y', 'a', 2, '1'), running('z', 'a', 3, '2'));
    },
    (cluster) => {
      assert.deepEqual(
        ['x', 'y', 'z'].map((name) => cluster.pod(name) !== undefined),
        [false, false, true],
      );
      assert.equal(cluster.nodeOf('vip'), 'a');
    },
  ));

test('of pods that are equally important, one that has not started yet goes first', () =>
  preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'));
      const starting = makePod('starting', {
        requests: { cpu: '2' },
        spec: { nodeName: 'a', priority: 1 },
        status: { phase: 'Pending' },
      });
      cluster.addPods(running('started', 'a', 1, '2'), starting);
    },
    (cluster) => {
      assert.equal(cluster.pod('starting'), undefined);
      assert.notEqual(cluster.pod('started'), undefined);
    },
  ));

/** It allows no disruption more. `disruptedPods`: those whose eviction has yet to be seen, and when it was asked for. */
function usedUpBudget(selector: LabelSelector | undefined, disruptedPods?: Record<string, string>) {
  return sparse<PodDisruptionBudget>({
    metadata: { name: 'b', namespace: 'default' },
    spec: { ...(selector && { selector }) },
    status: { disruptionsAllowed: 0, ...(disruptedPods && { disruptedPods }) },
  });
}

test('a node whose budget allows it is taken before one whose budget would break', () =>
  preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'), makeNode('b'));
      cluster.addPods(running('guarded', 'a', 1, '3'), running('free', 'b', 50, '3'));
      cluster.put(PodDisruptionBudget, usedUpBudget({ matchLabels: { app: 'guarded' } }));
    },
    (cluster) => {
      assert.notEqual(cluster.pod('guarded'), undefined);
      assert.equal(cluster.pod('free'), undefined);
      const text = cluster.metrics.expose();
      assert.match(text, /^scheduler_preemption_attempts_total [1-9]/m);
      assert.match(text, /^scheduler_preemption_victims_sum 1$/m);
    },
  ));

for (const selector of [undefined, {}, { matchLabels: {} }, { matchLabels: {}, matchExpressions: [] }])
  test(`a budget with the selector ${JSON.stringify(selector)} guards no pod`, () =>
    preempt(
      (cluster) => {
        cluster.addNodes(makeNode('a'), makeNode('b'));
        cluster.addPods(running('low', 'a', 1, '3'), running('mid', 'b', 2, '3'));
        cluster.put(PodDisruptionBudget, usedUpBudget(selector, { mid: '2026-01-01T00:00:00Z' }));
      },
      (cluster) => {
        assert.equal(cluster.pod('low'), undefined);
        assert.notEqual(cluster.pod('mid'), undefined);
      },
    ));

test('a pod that must not preempt says so and waits', () =>
  preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'));
      cluster.addPods(running('low', 'a', 1, '3'));
    },
    (cluster) => {
      assert.notEqual(cluster.pod('low'), undefined);
      assert.equal(
        cluster.eventsOf('vip')[0],
        'FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.',
      );
    },
    { preemptionPolicy: 'Never' },
  ));

test('a victim that is terminating already is waited for, not evicted again', () => {
  const writes: string[] = [];
  return preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'));
      const low = running('low', 'a', 1, '3');
      cluster.addPods({ ...low, metadata: { ...low.metadata, deletionTimestamp: 'now' } });
      const { client } = cluster;
      const { patch } = client;
      Object.assign(client, {
        patch: (...args: Parameters<typeof patch>) => {
          writes.push(`patch ${args[1].name}`);
          return patch(...args);
        },
        delete: async (_: unknown, { name }: { name: string }) => void writes.push(`delete ${name}`),
      });
    },
    async (cluster) => {
      assert.deepEqual(writes, ['patch vip']);
      assert.equal(cluster.pod('vip').status?.nominatedNodeName, 'a');
      assert.deepEqual(cluster.eventsOf('low'), []);
      cluster.delete(Pod, 'default/low');
      await cluster.clock.advance(1_000);
      assert.equal(cluster.nodeOf('vip'), 'a');
    },
  );
});

/** On node `a`; it terminates until the test removes it. */
function victimEndsSlowly(cluster: FakeCluster): void {
  cluster.addNodes(makeNode('a'));
  cluster.addPods(running('low', 'a', 1, '3'));
  const doomed = cluster.pod('low');
  (cluster.client as { delete: unknown }).delete = async () =>
    cluster.put(Pod, { ...cluster.pod('low'), metadata: { ...doomed.metadata, deletionTimestamp: 'now' } });
}

test('no pod of lower priority takes the room while it is being made', () =>
  preempt(victimEndsSlowly, async (cluster) => {
    assert.equal(cluster.pod('vip').status?.nominatedNodeName, 'a');
    cluster.addPods(makePod('other', { requests: { cpu: '4' }, spec: { priority: 0 } }));
    await cluster.clock.advance(0);
    cluster.delete(Pod, 'default/low');
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('vip'), 'a');
    assert.equal(cluster.nodeOf('other'), undefined);
  }));

test('a pod that preempts takes over the room that was being made for a less important one', () =>
  preempt(victimEndsSlowly, async (cluster) => {
    assert.equal(cluster.pod('vip').status?.nominatedNodeName, 'a');
    cluster.addPods(makePod('king', { requests: { cpu: '4' }, spec: { priority: 1_000 } }));
    await cluster.clock.advance(0);
    assert.equal(cluster.pod('king').status?.nominatedNodeName, 'a');
    assert.ok(!cluster.pod('vip').status?.nominatedNodeName);
    cluster.addNodes(makeNode('b', { allocatable: { cpu: '2' } }));
    await cluster.clock.advance(10_000);
    assert.equal(cluster.nodeOf('vip'), 'b', 'it has found another place');
    assert.equal(cluster.nodeOf('king'), undefined, 'it waits for its victim');
    cluster.delete(Pod, 'default/low');
    await cluster.clock.advance(10_000);
    assert.equal(cluster.nodeOf('king'), 'a');
  }));

/** A preemptor on its way to node `a`: `bind` is called instead of the server. */
async function preemptorBeingBound(
  bind: () => Promise<void>,
  check: (cluster: FakeCluster) => Promise<void>,
): Promise<void> {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  await preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'));
      cluster.addPods(running('low', 'a', 1, '3'));
      const { createSubresource } = cluster.client;
      Object.assign(cluster.client, {
        async createSubresource(...args: Parameters<typeof createSubresource>) {
          if (args[1].name !== 'vip') return createSubresource(...args);
          resolve();
          await bind();
          return createSubresource(...args);
        },
      });
    },
    async (cluster) => {
      await asked;
      await check(cluster);
    },
  );
}

test('what a pod takes of a node counts once while it is being bound', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  await preemptorBeingBound(
    () => answered,
    async (cluster) => {
      cluster.addPods(
        makePod('fits', { requests: { cpu: '2' } }),
        makePod('fits not', { requests: { cpu: '1' } }),
      );
      await cluster.clock.advance(0);
      answer();
      await cluster.clock.advance(0);
      assert.deepEqual(
        ['vip', 'fits', 'fits not'].map((name) => cluster.nodeOf(name)),
        ['a', 'a', undefined],
      );
    },
  );
});

test('a pod that could not be bound holds no room until it is tried again', () => {
  let tries = 0;
  return preemptorBeingBound(
    async () => {
      if (tries++ === 0) throw new Error('the server is away');
    },
    async (cluster) => {
      await cluster.clock.advance(0);
      assert.ok(!cluster.pod('vip').status?.nominatedNodeName);
      cluster.addPods(makePod('other', { requests: { cpu: '4' } }));
      await cluster.clock.advance(0);
      assert.equal(cluster.nodeOf('other'), 'a');
      await cluster.clock.advance(10_000);
      assert.equal(cluster.nodeOf('vip'), 'a', 'it has room made once more');
      assert.equal(cluster.pod('other'), undefined);
    },
  );
});

test('pods that keep others away for different reasons make room together', () => {
  const apart = (key: string) => ({
    requiredDuringSchedulingIgnoredDuringExecution: [
      {
        topologyKey: 'kubernetes.io/hostname',
        labelSelector: { matchExpressions: [{ key, operator: 'DoesNotExist' }] },
      },
    ],
  });
  const keepingAway = (name: string) => {
    const pod = running(name, 'a', 1, '100m');
    return { ...pod, spec: { ...pod.spec!, affinity: { podAntiAffinity: apart(`with-${name}`) } } } as Pod;
  };
  return preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'));
      cluster.addPods(keepingAway('x'), keepingAway('y'));
    },
    (cluster) => {
      assert.deepEqual([cluster.pod('x'), cluster.pod('y')], [undefined, undefined]);
      assert.equal(cluster.nodeOf('vip'), 'a');
    },
  );
});

test('a pod whose victims are not to be evicted is tried again after its back-off, not at once', () => {
  let tries = 0;
  return preempt(
    (cluster) => {
      cluster.addNodes(makeNode('a'));
      cluster.addPods(running('low', 'a', 1, '3'));
      (cluster.client as { delete: unknown }).delete = async () => {
        // An endless loop would keep the test from failing.
        if (++tries > 20) cluster.delete(Pod, 'default/vip');
        throw new Error('a webhook denied the request');
      };
    },
    async (cluster) => {
      assert.equal(tries, 1);
      await cluster.clock.advance(10_000);
      assert.ok(tries > 1 && tries < 6, `${tries} tries in ten seconds`);
    },
  );
});

test('concurrent preemptions are limited, so that none waits for long', async () => {
  const cluster = new FakeCluster();
  const names = Array.from({ length: 250 }, (_, index) => `n${index}`);
  for (const name of names) {
    cluster.addNodes(makeNode(name));
    cluster.addPods(running(`low-${name}`, name, 1, '3'));
    cluster.addPods(makePod(`vip-${name}`, { requests: { cpu: '3' }, spec: { priority: 100 } }));
  }
  let underWay = 0;
  let underWayMax = 0;
  const slowly =
    <Args extends unknown[], Answer>(write: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      underWayMax = Math.max(underWayMax, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      return write(...args);
    };
  const { client } = cluster;
  Object.assign(client, { patch: slowly(client.patch), delete: slowly(client.delete) });
  cluster.start();
  while (names.some((name) => !cluster.nodeOf(`vip-${name}`))) await cluster.clock.advance(0);
  assert.ok(underWayMax > 10 && underWayMax <= 100, `${underWayMax} at once`);
  assert.equal(names.filter((name) => cluster.pod(`low-${name}`)).length, 0);
  await cluster.stop();
});
