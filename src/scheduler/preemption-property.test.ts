/** Preemption in random orders of events: pods of all priorities come and go, evictions are slow or fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pod, PodDisruptionBudget } from '../api/resources.gen.ts';
import { conflict } from '../api/status.ts';
import { type Random, seededRandom } from '../base/random.ts';
import { sparse } from '../base/sparse.fixture.ts';
import { FakeCluster } from './cluster.fake.ts';
import { makeNode, makePod } from './objects.fake.ts';

const seeds = Number(process.env.SEEDS ?? 30);
const firstSeed = Number(process.env.SEED ?? 1);
const nodes = ['a', 'b', 'c', 'd', 'e'];
const nodeCpus = 4;
const steps = 60;

test('no node is over-committed, only less important pods give way, and no pod waits for room that could be made', async () => {
  let preempted = 0;
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) preempted += await run(seed);
  assert.ok(preempted > seeds, `${preempted} pods were preempted: too few to show anything`);
});

/** Returns how many pods were preempted. */
async function run(seed: number): Promise<number> {
  const random = seededRandom(seed);
  const cluster = new FakeCluster();
  const cpus = new Map<string, number>();
  /** By name, and by uid. */
  const priorities = new Map<string, number>();
  let faults = 0.1;
  cluster.addNodes(...nodes.map((name) => makeNode(name, { allocatable: { cpu: `${nodeCpus}` } })));
  if (seed % 3 === 0) cluster.put(PodDisruptionBudget, guard());
  evictSlowly(cluster, random, () => faults);
  cluster.bindFails = () => (random.next() < faults ? new Error('the server is busy') : undefined);
  cluster.informer(Pod).handle({ added: check, updated: check });
  cluster.start();

  for (let step = 0; step < steps; step++) {
    const name = `pod-${step}`;
    const cpu = 1 + Math.floor(random.next() * 3);
    const priority = Math.floor(random.next() * 4);
    cpus.set(name, cpu);
    const labels = { app: random.next() < 0.3 ? 'guarded' : 'free' };
    const pod = makePod(name, { requests: { cpu: `${cpu}` }, labels, spec: { priority } });
    for (const id of [name, pod.metadata.uid]) priorities.set(id, priority);
    cluster.addPods(pod);
    if (random.next() < 0.2) cluster.delete(Pod, `default/pod-${Math.floor(random.next() * step)}`);
    if (random.next() < 0.3) await cluster.clock.advance(Math.floor(random.next() * 3_000));
  }
  faults = 0;
  await cluster.clock.advance(600_000);
  checkNobodyWaitsInVain();
  const preempted = cluster.events.filter(({ reason }) => reason === 'Preempted');
  for (const { message, object } of preempted) checkPriority(object, /by pod (\S+) on/.exec(message)![1]!);
  await cluster.stop();
  return preempted.length;

  /** Every state that the server had. */
  function check(): void {
    for (const node of nodes)
      assert.ok(taken(node, () => true) <= nodeCpus, `seed ${seed}: node ${node} is over-committed`);
  }

  function taken(node: string, counts: (pod: Pod) => boolean): number {
    let sum = 0;
    for (const pod of cluster.informer(Pod).list() as Iterable<Pod>)
      if (pod.spec?.nodeName === node && counts(pod)) sum += cpus.get(pod.metadata.name)!;
    return sum;
  }

  function checkNobodyWaitsInVain(): void {
    for (const pod of cluster.informer(Pod).list() as Iterable<Pod>) {
      if (pod.spec?.nodeName) continue;
      const priority = pod.spec?.priority ?? 0;
      for (const node of nodes) {
        const room = nodeCpus - taken(node, (other) => (other.spec?.priority ?? 0) >= priority);
        const wanted = cpus.get(pod.metadata.name)!;
        assert.ok(room < wanted, `seed ${seed}: ${pod.metadata.name} waits, node ${node} could make room`);
      }
    }
  }

  function checkPriority(victim: string, preemptorUid: string): void {
    const [own, others] = [priorities.get(victim)!, priorities.get(preemptorUid)!];
    assert.ok(own < others, `seed ${seed}: ${victim} of priority ${own} gave way to ${others}`);
  }
}

/** Deleted pods take a while to end, and the server sometimes refuses. */
function evictSlowly(cluster: FakeCluster, random: Random, faults: () => number): void {
  const end = (key: string, uid: string) => {
    if (cluster.informer(Pod).get(key)?.metadata.uid === uid) cluster.delete(Pod, key);
  };
  (cluster.client as { delete: unknown }).delete = async (_: unknown, at: { name: string }) => {
    if (random.next() < faults()) throw conflict(Pod, at.name, 'the server is busy');
    const pod = cluster.pod(at.name);
    if (!pod) return;
    const { uid } = pod.metadata;
    cluster.put(Pod, { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
    void cluster.clock.sleep(random.next() * 4_000).then(() => end(`default/${at.name}`, uid));
  };
}

function guard(): PodDisruptionBudget {
  return sparse<PodDisruptionBudget>({
    metadata: {
      name: 'guard',
      namespace: 'default',
      uid: 'guard',
      resourceVersion: '1',
      creationTimestamp: '',
    },
    spec: { selector: { matchLabels: { app: 'guarded' } } },
    status: { disruptionsAllowed: 1 },
  });
}
