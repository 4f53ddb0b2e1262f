import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../api/resources.gen.ts';
import { type Random, seededRandom } from '../base/random.ts';
import { SchedulerCache } from './cache.ts';
import { FakeCluster } from './cluster.fake.ts';
import { buildProfiles, defaultConfiguration } from './configuration.ts';
import { describeDiagnosis } from './framework/diagnosis.ts';
import { createPodInfo } from './framework/pod-info.ts';
import { makeNode, makePod } from './objects.fake.ts';
import { nodesToFind, schedule } from './schedule.ts';

const rows: [nodes: number, percentage: number, expected: number][] = [
  [50, 0, 50],
  [100, 0, 100],
  [1_000, 0, 420],
  [5_000, 0, 500],
  [6_000, 0, 300],
  [100_000, 0, 5_000],
  [1_000, 30, 300],
  [1_000, 5, 100],
  [1_000, 100, 1_000],
];
for (const [nodes, percentage, expected] of rows)
  test(`the search in ${nodes} nodes at ${percentage} % ends with ${expected} feasible ones`, () => {
    assert.equal(nodesToFind(nodes, percentage), expected);
  });

const zones = ['x', 'y', 'z'];
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;

function randomNode(name: string, random: Random): Node {
  const taints =
    random.next() < 0.2
      ? [{ key: 'k', value: 'v', effect: pick(random, ['NoSchedule', 'PreferNoSchedule']) }]
      : [];
  return makeNode(name, {
    labels: { zone: pick(random, zones) },
    allocatable: { cpu: pick(random, ['2', '4', '8']), pods: pick(random, ['3', '20']) },
    spec: { taints, ...(random.next() < 0.1 && { unschedulable: true }) },
  });
}

function term(random: Random) {
  return {
    topologyKey: pick(random, ['zone', 'kubernetes.io/hostname']),
    labelSelector: { matchLabels: { app: pick(random, ['a', 'b']) } },
  };
}

function randomPod(name: string, random: Random): Pod {
  const chance = random.next();
  const affinity =
    chance < 0.1
      ? { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(random)] } }
      : chance < 0.2
        ? { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(random)] } }
        : chance < 0.3
          ? {
              podAffinity: {
                preferredDuringSchedulingIgnoredDuringExecution: [
                  { weight: 10, podAffinityTerm: term(random) },
                ],
              },
            }
          : undefined;
  const spread = {
    maxSkew: 1,
    topologyKey: 'zone',
    whenUnsatisfiable: pick(random, ['DoNotSchedule', 'ScheduleAnyway']),
    labelSelector: { matchLabels: { app: 'a' } },
  };
  return makePod(name, {
    labels: { app: pick(random, ['a', 'b', 'c']) },
    requests: { cpu: pick(random, ['100m', '1', '3']), memory: '100Mi' },
    spec: {
      priority: pick(random, [0, 10]),
      ...(affinity && { affinity }),
      ...(random.next() < 0.15 && { topologySpreadConstraints: [spread] }),
      ...(random.next() < 0.2 && { nodeSelector: { zone: pick(random, zones) } }),
      ...(random.next() < 0.3 && { tolerations: [{ key: 'k', operator: 'Exists' }] }),
      ...(random.next() < 0.1 && { containers: [{ name: 'c', image: 'i', ports: [{ hostPort: 80 }] }] }),
    },
  });
}

test('whatever happened before, the decision is the one that a new cache would give', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = seededRandom(seed);
    const fake = new FakeCluster();
    const { client, informers, clock, recorder, metrics } = fake;
    const profile = buildProfiles(defaultConfiguration, {
      client,
      informers,
      clock,
      recorder,
      metrics,
      random: seededRandom(1),
    }).get('default-scheduler')!;
    const live = new SchedulerCache();
    const nodes = new Map<string, Node>();
    const placed = new Map<string, Pod>();
    const promised = new Map<string, { pod: Pod; node: string }>();
    for (let step = 0; step < 120; step++) {
      const chance = random.next();
      if (chance < 0.2 || nodes.size < 3) {
        const node = randomNode(`n${Math.floor(random.next() * 8)}`, random);
        nodes.set(node.metadata.name, node);
        live.setNode(node);
      } else if (chance < 0.25) {
        const name = pick(random, [...nodes.keys()]);
        nodes.delete(name);
        live.removeNode(name);
      } else if (chance < 0.35 && placed.size > 0) {
        const uid = pick(random, [...placed.keys()]);
        placed.delete(uid);
        live.removePod(uid);
      } else if (chance < 0.4) {
        const pod = randomPod(`promised${step}`, random);
        const node = pick(random, [...nodes.keys()]);
        promised.set(pod.metadata.uid, { pod, node });
        live.nominate(createPodInfo(pod), node);
      } else if (chance < 0.43 && promised.size > 0) {
        const uid = pick(random, [...promised.keys()]);
        promised.delete(uid);
        live.forgetNomination(uid);
      }
      const pod = randomPod(`p${step}`, random);
      const fresh = new SchedulerCache();
      for (const node of nodes.values()) fresh.setNode(node);
      for (const one of placed.values()) fresh.setPod(one);
      for (const { pod: waiting, node } of promised.values()) fresh.nominate(createPodInfo(waiting), node);
      const decide = (cache: SchedulerCache) => {
        const decision = schedule(cache, createPodInfo(pod), {
          profile,
          random: seededRandom(step),
          start: 0,
          percentageOfNodesToScore: 100,
        });
        if (decision.kind === 'unschedulable')
          return describeDiagnosis(decision.diagnosis, decision.postFilter?.message);
        return decision.kind === 'placed'
          ? `${decision.node.name} of ${decision.nodesFeasible}`
          : decision.kind;
      };
      const [remembered, anew] = [decide(live), decide(fresh)];
      assert.equal(remembered, anew, `seed ${seed}, step ${step}`);
      if (!remembered.includes(' of ')) continue;
      const nodeName = remembered.split(' ')[0]!;
      const bound = { ...pod, spec: { ...pod.spec!, nodeName } };
      placed.set(pod.metadata.uid, bound);
      live.setPod(bound);
    }
  }
});
