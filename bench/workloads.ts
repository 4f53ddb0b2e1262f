/**
 * How long workloads take on simulated nodes, with API server, controllers, scheduler and kubelets in this process:
 * a Deployment of many pods, and many Deployments of a pod each.
 *
 *   npm run bench:workloads [-- wide many] [--pods 1000] [--deployments 5000] [--memory]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Draft } from '../src/api/meta.ts';
import { Deployment, Namespace, Node, ServiceAccount } from '../src/api/resources.gen.ts';
import { ignoreAlreadyExists } from '../src/api/status.ts';
import { systemClock } from '../src/base/clock.ts';
import { createLogger } from '../src/base/logger.ts';
import { MetricsRegistry } from '../src/base/metrics.ts';
import { systemRandom } from '../src/base/random.ts';
import { sparse } from '../src/base/sparse.fixture.ts';
import type { Client } from '../src/client/client.ts';
import { createClient } from '../src/client/create-client.ts';
import { createInformerFactory } from '../src/client/informers/informer-factory.ts';
import { createControlPlane } from '../src/cmd/server/control-plane.ts';
import { runSimulatedNodes } from '../src/cmd/server/simulated-nodes.ts';
import { createMemoryStore } from '../src/storage/memory.ts';
import { createSqliteStore } from '../src/storage/sqlite/sqlite-store.ts';
import { inParallel } from './in-parallel.ts';
import { runNamed } from './named-workloads.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pods: { type: 'string', default: '1000' },
    deployments: { type: 'string', default: '5000' },
    memory: { type: 'boolean', default: false },
  },
});
/** `count` Deployments of this many pods each, and how soon they should be complete. */
const workloads: Record<string, { count: number; replicas: number; aimSeconds: number }> = {
  wide: { count: 1, replicas: Number(values.pods), aimSeconds: 3 },
  many: { count: Number(values.deployments), replicas: 1, aimSeconds: 60 },
};
const requestsAtOnce = 32;
/** A simulated node takes 110. */
const podsPerNode = 100;
const namespace = 'default';
const logger = createLogger({
  clock: systemClock,
  write: (line) => process.stderr.write(line),
  level: 'warn',
});

await runNamed(positionals, workloads, measure);

async function measure({ count, replicas, aimSeconds }: (typeof workloads)[string]): Promise<object> {
  const folder = values.memory ? undefined : mkdtempSync(join(tmpdir(), 'wherry-bench-workloads-'));
  const store = folder ? await createSqliteStore({ path: join(folder, 'store.db') }) : createMemoryStore();
  const common = { clock: systemClock, random: systemRandom, logger };
  const plane = await createControlPlane({
    ...common,
    store,
    metrics: new MetricsRegistry(),
    clusterCa: 'no certificate is asked for',
    podCidr: '10.0.0.0/8',
  });
  const stop = new AbortController();
  const { signal } = stop;
  const client = createClient(plane.api.localTransport({ name: 'bench', groups: ['system:masters'] }));
  const nodes = Math.ceil((count * replicas) / podsPerNode);
  const running = Promise.all([
    plane.run(signal),
    runSimulatedNodes(
      plane.api,
      {
        simulatedNodes: nodes,
        clusterName: 'node',
        clusterDns: '10.96.0.10',
        clusterDomain: 'cluster.local',
      },
      logger,
      signal,
    ),
  ]);
  await namespaceIsReady(client);
  await nodesAreReady(client, nodes);
  const deployments = createInformerFactory(client, { ...common, signal }).of(Deployment);
  const complete = completion(count, replicas, (handler) => deployments.handle(handler));

  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  await inParallel(count, requestsAtOnce, (index) =>
    client.create(Deployment, deploymentOf(`web-${index}`, replicas)),
  );
  await complete;
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);

  stop.abort(new Error('done'));
  await running;
  await plane.api.close();
  await store.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
  return {
    deployments: count,
    podsOfEach: replicas,
    nodes,
    store: folder ? 'sqlite' : 'memory',
    seconds: Math.round(seconds * 10) / 10,
    // On a machine that others use too, this is the steadier figure.
    cpuSeconds: Math.round((user + system) / 1e5) / 10,
    aimSeconds,
  };
}

async function namespaceIsReady(client: Client): Promise<void> {
  await client
    .create(Namespace, { metadata: { name: namespace }, spec: {}, status: {} })
    .catch(ignoreAlreadyExists);
  const signal = AbortSignal.timeout(30_000);
  for await (const { object } of client.watch(ServiceAccount, { namespace, resourceVersion: '0' }, signal))
    if (object.metadata.name === 'default') return;
  throw new Error(`namespace ${namespace} has no default service account after 30 s`);
}

async function nodesAreReady(client: Client, count: number): Promise<void> {
  const ready = new Set<string>();
  const signal = AbortSignal.timeout(120_000);
  for await (const { object } of client.watch(Node, { resourceVersion: '0' }, signal)) {
    if ((object.spec?.taints ?? []).length === 0) ready.add(object.metadata.name);
    if (ready.size === count) return;
  }
  throw new Error(`${ready.size} of ${count} nodes are ready after 120 s`);
}

type Handle = (handler: { added(one: Deployment): void; updated(one: Deployment): void }) => void;

/** Resolves when this many Deployments have all of their pods available. */
function completion(count: number, replicas: number, handle: Handle): Promise<void> {
  const complete = new Set<string>();
  return new Promise((resolve) => {
    const see = ({ metadata, status }: Deployment) => {
      if (status?.availableReplicas === replicas) complete.add(metadata.name);
      if (complete.size === count) resolve();
    };
    handle({ added: see, updated: see });
  });
}

function deploymentOf(name: string, replicas: number): Draft<Deployment> {
  const labels = { app: name };
  const resources = { requests: { cpu: '10m', memory: '10Mi' } };
  const containers = [{ name: 'c', image: 'registry.k8s.io/pause:3.10', resources }];
  return sparse<Draft<Deployment>>({
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    },
  });
}
