/**
 * Pods scheduled per second on simulated nodes, through a real API server in the same process: upstream's
 * scheduler_perf workloads, beside its published floors. `npm run bench:scheduler [-- workload …] [--nodes N] [--sqlite]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Draft } from '../src/api/meta.ts';
import { Namespace, Node, Pod, ServiceAccount } from '../src/api/resources.gen.ts';
import { ignoreAlreadyExists } from '../src/api/status.ts';
import { createApiServer } from '../src/apiserver/server.ts';
import { systemClock } from '../src/base/clock.ts';
import { createLogger, type Logger } from '../src/base/logger.ts';
import { MetricsRegistry } from '../src/base/metrics.ts';
import { systemRandom } from '../src/base/random.ts';
import type { Client } from '../src/client/client.ts';
import { createClient } from '../src/client/create-client.ts';
import { createEventRecorder } from '../src/client/events/event-recorder.ts';
import type { Informer } from '../src/client/informers/informer.ts';
import { createInformerFactory } from '../src/client/informers/informer-factory.ts';
import { startScheduler } from '../src/scheduler/scheduler.ts';
import { createMemoryStore } from '../src/storage/memory.ts';
import { createSqliteStore } from '../src/storage/sqlite/sqlite-store.ts';
import { inParallel } from './in-parallel.ts';
import { runNamed } from './named-workloads.ts';

interface Workload {
  /** Upstream's floor for 5,000 nodes, pods per second. */
  upstreamFloor: number;
  aim: number;
  /** Placed before the clock starts. */
  initialPods: number;
  measuredPods: number;
  initial(index: number): object;
  measured(index: number): object;
}

const small = { requests: { cpu: '100m', memory: '500Mi' } };
const hostname = 'kubernetes.io/hostname';

function podWith(labels: Record<string, string>, resources: object, more: object = {}): object {
  return {
    metadata: { labels },
    spec: { containers: [{ name: 'pause', image: 'registry.k8s.io/pause:3.10', resources }], ...more },
  };
}

const workloads: Record<string, Workload> = {
  basic: {
    upstreamFloor: 680,
    aim: 3_000,
    initialPods: 1_000,
    measuredPods: 10_000,
    initial: () => podWith({}, small),
    measured: () => podWith({}, small),
  },
  preferredAffinity: {
    upstreamFloor: 90,
    aim: 500,
    initialPods: 5_000,
    measuredPods: 5_000,
    initial: () => podWith({ color: 'red' }, small, preferring('red')),
    measured: () => podWith({ color: 'red' }, small, preferring('red')),
  },
  antiAffinity: {
    upstreamFloor: 60,
    aim: 500,
    initialPods: 1_000,
    measuredPods: 2_000,
    initial: () => podWith({ color: 'green' }, small, keepingApart('green')),
    measured: () => podWith({ color: 'green' }, small, keepingApart('green')),
  },
  preemption: {
    upstreamFloor: 570,
    aim: 1_000,
    initialPods: 20_000,
    measuredPods: 5_000,
    initial: () =>
      podWith({}, { requests: { cpu: '900m', memory: '500Mi' } }, { terminationGracePeriodSeconds: 0 }),
    measured: () =>
      podWith({}, { requests: { cpu: '3', memory: '500Mi' } }, { priorityClassName: 'system-node-critical' }),
  },
};

function preferring(color: string): object {
  const podAffinityTerm = { topologyKey: hostname, labelSelector: { matchLabels: { color } } };
  return {
    affinity: {
      podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm }] },
    },
  };
}

function keepingApart(color: string): object {
  const term = { topologyKey: hostname, labelSelector: { matchLabels: { color } } };
  return { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { nodes: { type: 'string', default: '5000' }, sqlite: { type: 'boolean', default: false } },
});
const nodeCount = Number(values.nodes);
/** The workloads are stated for 5,000 nodes. */
const scale = nodeCount / 5_000;
const namespace = 'kube-system';
const requestsAtOnce = 200;
const logger: Logger = createLogger({
  clock: systemClock,
  write: (line) => process.stderr.write(line),
  level: 'warn',
});

const common = { clock: systemClock, random: systemRandom, logger };

await runNamed(positionals, workloads, run);

async function run(workload: Workload): Promise<object> {
  const initialPods = Math.round(workload.initialPods * scale);
  const measuredPods = Math.round(workload.measuredPods * scale);
  await using cluster = await startCluster();
  const client = cluster.clientAs('bench');
  await prepareNamespace(client);
  await createNodes(client);

  const initial = await startOwnScheduler(cluster);
  await createPods(client, 'initial', initialPods, workload.initial);
  await placed(initial.pods, 'initial', initialPods);
  await initial.stop();

  // The pods are there when the clock starts: what is measured is placing them, not making them.
  await createPods(client, 'measured', measuredPods, workload.measured);
  const { seconds, cpuSeconds } = await measurePlacing(cluster, measuredPods);
  const { upstreamFloor, aim } = workload;
  return {
    nodes: nodeCount,
    pods: measuredPods,
    store: values.sqlite ? 'sqlite' : 'memory',
    podsPerSecond: Math.round(measuredPods / seconds),
    // On a machine that others use too, this is the steadier figure.
    podsPerCpuSecond: Math.round(measuredPods / cpuSeconds),
    upstreamFloor,
    aim,
  };
}

interface BenchCluster extends AsyncDisposable {
  clientAs(user: string): Client;
}

async function startCluster(): Promise<BenchCluster> {
  const folder = values.sqlite ? mkdtempSync(join(tmpdir(), 'wherry-bench-scheduler-')) : undefined;
  const store = folder ? await createSqliteStore({ path: join(folder, 'store.db') }) : createMemoryStore();
  const server = await createApiServer({ ...common, metrics: new MetricsRegistry(), store });
  return {
    clientAs: (user) =>
      createClient(server.localTransport({ name: user, groups: ['system:masters'] }), { fieldManager: user }),
    async [Symbol.asyncDispose]() {
      await server.close();
      await store.close();
      if (folder) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a scheduler, and takes the time from when it knows the cluster until it has placed every pod that waits. */
async function measurePlacing(
  cluster: BenchCluster,
  count: number,
): Promise<{ seconds: number; cpuSeconds: number }> {
  const scheduler = await startOwnScheduler(cluster);
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  await placed(scheduler.pods, 'measured', count);
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  checkNoOvercommitment(scheduler.pods, scheduler.nodes);
  await scheduler.stop();
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

async function startOwnScheduler({ clientAs }: BenchCluster) {
  const stop = new AbortController();
  const client = clientAs('system:kube-scheduler');
  const informers = createInformerFactory(client, { ...common, signal: stop.signal });
  const recorder = createEventRecorder({
    client,
    ...common,
    component: 'default-scheduler',
    signal: stop.signal,
  });
  const pods = informers.of(Pod);
  const nodes = informers.of(Node);
  const running = startScheduler(
    { client, informers, recorder, metrics: new MetricsRegistry(), ...common },
    stop.signal,
  );
  await informers.synced();
  return {
    pods,
    nodes,
    async stop() {
      await recorder.flushed();
      stop.abort(new Error('done'));
      await running;
    },
  };
}

async function createNodes(client: Client): Promise<void> {
  await inParallel(nodeCount, requestsAtOnce, async (index) => {
    const { metadata } = await client.create(Node, node(index));
    // New nodes are tainted until a controller has seen that they are ready; none runs here.
    await client.patch(Node, { name: metadata.name }, { spec: { taints: null } }, { type: 'merge' });
  });
}

/** System priorities are allowed in kube-system only. */
async function prepareNamespace(client: Client): Promise<void> {
  await client
    .create(Namespace, { metadata: { name: namespace }, spec: {}, status: {} })
    .catch(ignoreAlreadyExists);
  await client
    .create(ServiceAccount, { metadata: { name: 'default', namespace } })
    .catch(ignoreAlreadyExists);
}

function node(index: number): Draft<Node> {
  const name = `node-${index}`;
  const capacity = { cpu: '4', memory: '32Gi', pods: '110' };
  return {
    metadata: { name, labels: { [hostname]: name, 'topology.kubernetes.io/zone': `zone-${index % 3}` } },
    spec: {},
    status: { capacity, allocatable: capacity, conditions: [{ type: 'Ready', status: 'True' }] },
  } as Draft<Node>;
}

async function createPods(
  client: Client,
  prefix: string,
  count: number,
  make: (index: number) => object,
): Promise<void> {
  await inParallel(count, requestsAtOnce, (index) => {
    const { metadata, spec } = make(index) as { metadata: object; spec: object };
    return client.create(Pod, {
      metadata: { name: `${prefix}-${index}`, namespace, ...metadata },
      spec,
    } as Draft<Pod>);
  });
}

/** Resolves when this many pods with the name prefix have a node. */
function placed(pods: Informer<Pod>, prefix: string, count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    const see = (pod: Pod, old?: Pod) => {
      if (!pod.spec?.nodeName || old?.spec?.nodeName || !pod.metadata.name.startsWith(prefix)) return;
      if (--left === 0) resolve();
    };
    pods.handle({ added: (pod) => see(pod), updated: see });
  });
}

function checkNoOvercommitment(pods: Informer<Pod>, nodes: Informer<Node>): void {
  const milli = new Map<string, number>();
  for (const { spec } of pods.list()) {
    if (!spec?.nodeName) continue;
    const cpu = spec.containers[0]?.resources?.requests?.cpu ?? '0';
    const amount = cpu.endsWith('m') ? Number.parseInt(cpu, 10) : Number(cpu) * 1000;
    milli.set(spec.nodeName, (milli.get(spec.nodeName) ?? 0) + amount);
  }
  for (const { metadata } of nodes.list())
    if ((milli.get(metadata.name) ?? 0) > 4_000) throw new Error(`${metadata.name} is over-committed`);
}
