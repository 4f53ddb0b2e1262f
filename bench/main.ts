/**
 * `npm run bench`: starts a cluster of its own, measures it and prints the figures as JSON. With `--kubeconfig FILE`
 * another cluster is measured too, round by round in turns, so that the two can be compared on a machine of whatever
 * speed. Figures of several rounds are their medians; all rounds stand beside them.
 *
 *   npm run bench -- [--only startup,memory,api,pods,thousand] [--rounds 3] [--image NAME]
 *                    [--kubeconfig FILE [--context NAME] [--data-folder FOLDER] [--start COMMAND --stop COMMAND]]
 *
 * The other cluster runs already, or `--start` starts it. Memory and processor time are those of the processes whose
 * command lines name `--data-folder`.
 */
import { parseArgs } from 'node:util';
import { Namespace, ServiceAccount } from '../src/api/resources.gen.ts';
import { systemClock } from '../src/base/clock.ts';
import type { Client } from '../src/client/client.ts';
import { createClient } from '../src/client/create-client.ts';
import { httpTransport } from '../src/client/transport/http-transport.ts';
import { measureApi } from './api-load.ts';
import { type BenchedCluster, otherCluster, ownCluster } from './clusters.ts';
import { medians } from './medians.ts';
import { measurePods } from './pods.ts';
import { cpuSeconds, measureMemory } from './processes.ts';
import { measureThousand } from './thousand.ts';

/** Idle processes look every 5 s whether there is memory to give back (src/base/system/idle-memory.ts). */
const idleAfterMs = 40_000;
const namespaceGoneMs = 900_000;

const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string' },
    context: { type: 'string' },
    'data-folder': { type: 'string' },
    start: { type: 'string' },
    stop: { type: 'string' },
    only: { type: 'string', default: 'startup,memory,api,pods,thousand' },
    rounds: { type: 'string', default: '1' },
    image: { type: 'string', default: 'wherry.local/pause:1' },
  },
});
const suites = new Set(values.only.split(','));
const { kubeconfig } = values;
const clusters = [ownCluster(), ...(kubeconfig ? [otherCluster({ ...values, kubeconfig })] : [])];
const figures: Record<string, Record<string, unknown>> = {};
try {
  for (const cluster of clusters) figures[cluster.name] = measureStart(cluster);
  if (suites.has('memory')) await measureIdle();
  print(figures);
  const rounds = new Map<BenchedCluster, object[]>(clusters.map((cluster) => [cluster, []]));
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [cluster, measured] of rounds) {
      measured.push(await measureLoad(cluster, round));
      print({ [cluster.name]: measured.at(-1) });
    }
  for (const [cluster, measured] of rounds) {
    const own = figures[cluster.name]!;
    Object.assign(own, medians(measured), measured.length > 1 && { rounds: measured });
    if (suites.has('memory') && cluster.dataFolder)
      own.memoryAfterLoadMebibytes = measureMemory(cluster.dataFolder);
  }
} finally {
  for (const cluster of clusters) cluster.remove();
}
console.log(JSON.stringify(figures, null, 2));

/** What is known so far, for those who watch. */
function print(soFar: object): void {
  process.stderr.write(`${JSON.stringify(soFar)}\n`);
}

function measureStart({ start, stop, dataFolder }: BenchedCluster): Record<string, unknown> {
  const measured: Record<string, unknown> = {};
  if (start) {
    const coldSeconds = timed(start);
    if (suites.has('startup') && stop) {
      stop();
      const warmSeconds = timed(start);
      const warmCpuSeconds = dataFolder && Math.round(cpuSeconds(dataFolder) * 10) / 10;
      measured.startup = { coldSeconds, warmSeconds, warmCpuSeconds };
    }
  }
  if (suites.has('memory') && dataFolder) measured.memoryAfterStartMebibytes = measureMemory(dataFolder);
  return measured;
}

/** All of them rest at the same time. */
async function measureIdle(): Promise<void> {
  const seen = clusters.flatMap(({ name, dataFolder }) => (dataFolder ? [{ name, dataFolder }] : []));
  const before = seen.map(({ dataFolder }) => cpuSeconds(dataFolder));
  await systemClock.sleep(idleAfterMs);
  for (const [index, { name, dataFolder }] of seen.entries()) {
    const idleCpuSeconds = cpuSeconds(dataFolder) - before[index]!;
    figures[name]!.idleCpuPercent = Math.round((idleCpuSeconds * 1e6) / idleAfterMs) / 10;
    figures[name]!.idleMemoryMebibytes = measureMemory(dataFolder);
  }
}

async function measureLoad(cluster: BenchedCluster, round: number): Promise<Record<string, unknown>> {
  const measured: Record<string, unknown> = {};
  const connection = await cluster.connection();
  const transport = httpTransport(connection);
  const client = createClient(transport);
  const namespace = `bench-${process.pid}-${round}`;
  const { dataFolder } = cluster;
  await client.create(Namespace, { metadata: { name: namespace }, spec: {} });
  try {
    await serviceAccountOf(client, namespace);
    // Before the pods, of which the last ones go on ending for a while.
    if (suites.has('api'))
      measured.api = await measureApi(
        connection,
        namespace,
        dataFolder ? () => cpuSeconds(dataFolder) : undefined,
      );
    if (suites.has('pods'))
      measured.pods = await withCpuSeconds(cluster, () => measurePods(client, namespace, values.image));
    if (suites.has('thousand'))
      measured.thousand = await withCpuSeconds(cluster, () => measureThousand(client, namespace));
  } finally {
    await client.delete(Namespace, { name: namespace });
    await namespaceGone(client, namespace);
    transport.close();
  }
  return measured;
}

/** On a machine that others use too, this is the steadier figure. */
async function withCpuSeconds(
  { dataFolder }: BenchedCluster,
  measure: () => Promise<object>,
): Promise<object> {
  if (!dataFolder) return await measure();
  const before = cpuSeconds(dataFolder);
  const measured = await measure();
  return { ...measured, cpuSeconds: Math.round((cpuSeconds(dataFolder) - before) * 10) / 10 };
}

/** Pods are refused until a controller has made the namespace's account. */
async function serviceAccountOf(client: Client, namespace: string): Promise<void> {
  const signal = AbortSignal.timeout(30_000);
  for await (const event of client.watch(ServiceAccount, { namespace, resourceVersion: '0' }, signal)) {
    if (event.object.metadata.name === 'default') return;
  }
  throw new Error(`namespace ${namespace} has no default service account after 30 s`);
}

/** What goes on being taken away would weigh on the next cluster's figures. */
async function namespaceGone(client: Client, name: string): Promise<void> {
  const fieldSelector = `metadata.name=${name}`;
  const { items, metadata } = await client.list(Namespace, { fieldSelector });
  if (items.length === 0) return;
  const query = { fieldSelector, resourceVersion: metadata.resourceVersion };
  for await (const { type } of client.watch(Namespace, query, AbortSignal.timeout(namespaceGoneMs)))
    if (type === 'DELETED') return;
  throw new Error(`namespace ${name} is still there after ${namespaceGoneMs} ms`);
}

function timed(action: () => void): number {
  const startMs = performance.now();
  action();
  return Math.round(performance.now() - startMs) / 1000;
}
