/** Plays a scenario on a cluster whose controllers have a bad connection and are restarted, all from a seed. */
import type { Draft, KubeObject, ResourceType } from '../../../src/api/meta.ts';
import { StatusError, undefinedIfNotFound } from '../../../src/api/status.ts';
import { type Random, seededRandom } from '../../../src/base/random.ts';
import { VirtualClock } from '../../../src/base/virtual-clock.ts';
import type { Client } from '../../../src/client/client.ts';
import type { Transport } from '../../../src/client/transport/transport.ts';
import { type Cluster, type ClusterNode, type ClusterOptions, createCluster } from '../cluster.ts';
import { faultyTransport } from './faulty-transport.ts';
import { History, type Rule } from './history.ts';
import { InvariantChecker } from './invariants.ts';
import { findUnsettled } from './unsettled.ts';

export const namespace = 'default';
/** Controllers that every run needs. */
const everywhere = ['garbagecollector', 'serviceaccount', 'rootca', 'nodeipam', 'nodelifecycle'];
const roundsUnlessTold = 6;
const restartChance = 0.4;
/** Of the rounds: later ones have no restart, which would look at everything again and make up for missed news. */
const restartsIn = 2 / 3;
const lagUnlessToldMs = 5_000;
export const settlesWithinMs = 240_000;
const checkEveryMs = 10_000;
const lookEveryMs = 1_000;
const staysSettledMs = 30_000;

export interface Run {
  clock: VirtualClock;
  client: Client;
  checker: InvariantChecker;
  random: Random;
  nodes: readonly ClusterNode[];
  addNode: Cluster['addNode'];
  /** Uids of what the user asked to delete. */
  asked: Set<string>;
  /** Of the kinds that the scenario's rule is about. */
  history: History;
  /** Ends with the run. */
  signal: AbortSignal;
}

export interface Scenario {
  nodes: number;
  controllers: readonly string[];
  /** Between two changes at most. */
  pauseMs: number;
  rounds?: number;
  /** How far watches lag behind at most. */
  lagMaxMs?: number;
  cluster?: Partial<ClusterOptions>;
  /** Answers requests of controllers that are not for this cluster's API server. */
  beside?(transport: Transport, run: () => Run): Transport;
  begin(run: Run): Promise<void>;
  /** What its user may do while the connection is bad. */
  changes: readonly ((run: Run) => Promise<unknown>)[];
  end?(run: Run): Promise<void>;
  /** What is not as it should be in the end, besides workloads. */
  problems?(run: Run): Promise<string[]>;
  /** What is written again and again while something waits that cannot be had. */
  repeated?: RegExp;
  /** What must hold at every moment, and of which kinds. */
  always?: { of: readonly ResourceType[]; rule(run: Run): Rule };
}

/** Gives what went wrong. */
export async function runSeed(scenario: Scenario, seed: number): Promise<string[]> {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const stop = new AbortController();
  const settled = new SettledWrites();
  let isBad = false;
  const holder: { run?: Run } = {};
  const { lagMaxMs = lagUnlessToldMs, beside = (transport: Transport) => transport } = scenario;
  await using cluster = await createCluster({
    seed,
    clock,
    nodes: scenario.nodes,
    controllers: [...everywhere, ...scenario.controllers],
    wrapTransport: (transport) =>
      faultyTransport(
        beside(settled.noted(transport), () => holder.run!),
        { clock, random, lagMaxMs, isBad: () => isBad },
      ),
    wrapNodeTransport: (transport) => settled.noted(transport),
    ...scenario.cluster,
  });
  const { client, nodes, addNode } = cluster;
  const checker = new InvariantChecker();
  const [asked, history] = [new Set<string>(), new History(clock)];
  const run: Run = { clock, client, checker, random, nodes, addNode, asked, history, signal: stop.signal };
  holder.run = run;
  using _ = { [Symbol.dispose]: () => stop.abort(new Error('the run is over')) };
  await checker.follow(client, namespace, stop.signal);
  await history.follow(client, scenario.always?.of ?? [], stop.signal);
  await scenario.begin(run);
  isBad = true;
  const { rounds = roundsUnlessTold } = scenario;
  for (let round = 0; round < rounds; round++) {
    await clock.advance(random.next() * scenario.pauseMs);
    if (round < rounds * restartsIn && random.next() < restartChance) await restartControllers(cluster);
    else await pick(random, scenario.changes)(run);
  }
  isBad = false;
  await scenario.end?.(run);
  const unsettled = await settle(run, scenario, settled);
  const { broken, history: story } = checker;
  return [
    ...broken.slice(0, 1),
    ...(broken.length > 0 ? story : []),
    ...(scenario.always ? history.check(scenario.always.rule(run)) : []),
    ...unsettled,
  ];
}

/** Waits until all is as asked, and then whether it stays so. */
async function settle(run: Run, scenario: Scenario, settled: SettledWrites): Promise<string[]> {
  const { client, clock } = run;
  const found = async () => [
    ...(await findUnsettled(client, namespace)),
    ...((await scenario.problems?.(run)) ?? []),
  ];
  for (let waitedMs = 0; waitedMs < settlesWithinMs; waitedMs += checkEveryMs) {
    await clock.advance(checkEveryMs);
    if ((await found()).length === 0) break;
  }
  await clock.advance(staysSettledMs);
  settled.begin();
  await clock.advance(staysSettledMs);
  const writes = settled.writes.filter((write) => !scenario.repeated?.test(write));
  return [...(await found()), ...writes.map((write) => `settled, but written: ${write}`)];
}

/** What controllers and nodes still write once all is as asked: nothing but leases, and rare heartbeats of nodes. */
class SettledWrites {
  readonly writes: string[] = [];
  #isSettled = false;

  begin(): void {
    this.#isSettled = true;
  }

  noted(transport: Transport): Transport {
    return {
      send: (request) => {
        const { method } = request;
        const path = request.path.split('?')[0]!;
        if (this.#isSettled && method !== 'GET' && !isUpkeep(path)) this.writes.push(`${method} ${path}`);
        return transport.send(request);
      },
      close: () => transport.close(),
    };
  }
}

function isUpkeep(path: string): boolean {
  return path.includes('/leases/') || /^\/api\/v1\/nodes\/[^/]+\/status$/.test(path);
}

async function restartControllers(cluster: Cluster): Promise<void> {
  await cluster.stopControllers();
  await cluster.clock.advance(cluster.random.next() * 2_000);
  cluster.startControllers();
}

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[Math.floor(random.next() * items.length)]!;
}

/** Undefined when it is not there. */
export async function find<T extends KubeObject>(
  client: Client,
  type: ResourceType<T>,
  { metadata }: Draft<KubeObject>,
): Promise<T | undefined> {
  const { items } = await client.list(
    type,
    type.namespaced ? { namespace: metadata.namespace ?? namespace } : {},
  );
  return items.find((one) => one.metadata.name === metadata.name);
}

/** Waits until the condition holds; that it does not is a broken promise. */
export async function eventually(
  { clock, checker }: Run,
  what: string,
  condition: () => Promise<boolean>,
): Promise<void> {
  for (let waitedMs = 0; waitedMs < settlesWithinMs; waitedMs += lookEveryMs) {
    if (await condition()) return;
    await clock.advance(lookEveryMs);
  }
  checker.broken.push(`not in ${settlesWithinMs / 1000} s: ${what}`);
}

/** As its user does: that it may go is noted. */
export async function remove(
  { client, asked }: Run,
  type: ResourceType,
  { metadata }: KubeObject,
  options: { gracePeriodSeconds?: number } = {},
): Promise<void> {
  asked.add(metadata.uid);
  await client.delete(type, metadata, options).catch(undefinedIfNotFound);
}

/**
 * As a user's own client would, who reads an object, changes it and tries again when someone else was faster; nothing
 * when it is not there.
 */
export async function modify<T extends KubeObject>(
  client: Client,
  type: ResourceType<T>,
  at: Draft<KubeObject>,
  change: (object: T) => T,
): Promise<void> {
  for (;;) {
    const present = await find(client, type, at);
    if (!present) return;
    try {
      await client.update(type, change(present));
      return;
    } catch (error) {
      if (!(error instanceof StatusError && [404, 409].includes(error.code))) throw error;
    }
  }
}
