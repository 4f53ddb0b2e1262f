/** A whole cluster in one process for tests: memory store, real API server, controllers and scheduler, virtual clock. */

import { Namespace } from '../../src/api/resources.gen.ts';
import { ignoreAlreadyExists } from '../../src/api/status.ts';
import { type ApiServer, createApiServer } from '../../src/apiserver/server.ts';
import { createLogger, type Logger, silentLogger } from '../../src/base/logger.ts';
import { MetricsRegistry } from '../../src/base/metrics.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { CertificatePair } from '../../src/base/x509/pki.ts';
import type { Client } from '../../src/client/client.ts';
import { createClient } from '../../src/client/create-client.ts';
import { createEventRecorder } from '../../src/client/events/event-recorder.ts';
import { createInformerFactory } from '../../src/client/informers/informer-factory.ts';
import type { Transport } from '../../src/client/transport/transport.ts';
import { TransportError } from '../../src/client/transport/transport.ts';
import type { IssueSecretToken } from '../../src/controllers/core/token-secret.ts';
import { startControllers } from '../../src/controllers/start.ts';
import {
  type SimulatedRuntime,
  type SimulatedRuntimeOptions,
  simulatedRuntime,
} from '../../src/kubelet/cri/simulated/simulated-runtime.ts';
import { startKubelet } from '../../src/kubelet/kubelet.ts';
import type { KubeletOptions } from '../../src/kubelet/kubelet-options.ts';
import { simulatedMachine } from '../../src/kubelet/simulated-machine.ts';
import { startScheduler } from '../../src/scheduler/scheduler.ts';
import { createMemoryStore } from '../../src/storage/memory.ts';

export interface ClusterOptions {
  seed?: number;
  nodes?: number;
  /** Only these controllers; all when absent. */
  controllers?: readonly string[];
  /** Puts something between the controllers and the server, e.g. faults. */
  wrapTransport?(transport: Transport): Transport;
  /** The same between the nodes and the server. */
  wrapNodeTransport?(transport: Transport): Transport;
  clock?: VirtualClock;
  scheduler?: boolean;
  /** What containers do, beyond what their commands say. */
  behaviour?: SimulatedRuntimeOptions['behaviour'];
  /** Of each node. */
  podsMax?: number;
  /** Signs certificate requests. */
  signingAuthority?: CertificatePair;
  issueSecretToken?: IssueSecretToken;
  /** Of every node's kubelet. */
  trafficRules?: KubeletOptions['trafficRules'];
}

export interface ClusterNode {
  readonly name: string;
  /** Of its kubelet. */
  readonly metrics: MetricsRegistry;
  /** Nothing that the node says reaches the server while this is true. */
  isSilent: boolean;
  /** Of its kubelet, once that has started. */
  runtime?: SimulatedRuntime;
}

export interface Cluster extends AsyncDisposable {
  readonly client: Client;
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly metrics: MetricsRegistry;
  readonly nodes: readonly ClusterNode[];
  addNode(name: string, labels?: Record<string, string>): Promise<ClusterNode>;
  /** Stops the controllers; returns a function that starts them again. */
  stopControllers(): Promise<void>;
  startControllers(): void;
  /** Moves time on until the condition holds. */
  until(condition: () => boolean | Promise<boolean>, limitMs?: number): Promise<void>;
  /** A user's client with its own name in managed fields. */
  clientAs(name: string): Client;
}

const logger: Logger = process.env.WHERRY_TEST_LOG
  ? createLogger({
      clock: { now: () => Date.now() },
      write: (line) => process.stderr.write(line),
      level: 'debug',
    })
  : silentLogger;

export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { seed = 1, nodes: nodeCount = 1, clock = new VirtualClock(), scheduler = true } = options;
  const random = seededRandom(seed);
  const metrics = new MetricsRegistry();
  const server = await createApiServer({ store: createMemoryStore(), clock, random, logger, metrics });
  const parts: Parts = { options, server, clock, random, metrics };
  const clientAs = (name: string) =>
    createClient(server.localTransport({ name, groups }), { fieldManager: name });
  const client = clientAs('test');
  const stop = new AbortController();
  for (const name of ['default', 'kube-system', 'kube-node-lease', 'kube-public'])
    await client.create(Namespace, { metadata: { name }, spec: {}, status: {} }).catch(ignoreAlreadyExists);

  let controllersStop = new AbortController();
  let controllersRunning: Promise<void> = Promise.resolve();
  function start(): void {
    controllersStop = new AbortController();
    controllersRunning = runControllers(parts, controllersStop.signal);
  }
  start();
  if (scheduler) void runScheduler(parts, clientAs('kube-scheduler'), stop.signal);
  const nodes: ClusterNode[] = [];
  const addNode = async (name: string, labels: Record<string, string> = {}) => {
    const node: ClusterNode = { name, metrics: new MetricsRegistry(), isSilent: false };
    nodes.push(node);
    await runNode(parts, { node, address: `172.30.0.${nodes.length + 1}`, labels }, stop.signal);
    return node;
  };
  for (let index = 1; index <= nodeCount; index++) await addNode(`node${index}`);

  return {
    client,
    clock,
    random,
    metrics,
    nodes,
    addNode,
    clientAs,
    async stopControllers() {
      controllersStop.abort(new Error('stopped'));
      await controllersRunning;
    },
    startControllers: start,
    until: (condition, limitMs) => clock.advanceUntil(condition, limitMs),
    async [Symbol.asyncDispose]() {
      controllersStop.abort(new Error('stopped'));
      stop.abort(new Error('stopped'));
      await controllersRunning;
      await server.close();
    },
  };
}

const groups = ['system:masters'];

/** What all components of one cluster share. */
interface Parts {
  options: ClusterOptions;
  server: ApiServer;
  clock: VirtualClock;
  random: Random;
  metrics: MetricsRegistry;
}

/** Resolves when all controllers have ended after `signal`. */
function runControllers(parts: Parts, signal: AbortSignal): Promise<void> {
  const { options, server, clock, random, metrics } = parts;
  const transport = server.localTransport({ name: 'system:kube-controller-manager', groups });
  const client = createClient(options.wrapTransport?.(transport) ?? transport, {
    fieldManager: 'kube-controller-manager',
  });
  const informers = createInformerFactory(client, { clock, random, logger, signal });
  const recorder = createEventRecorder({ client, clock, logger, component: 'controllers', signal });
  return startControllers(
    { client, informers, clock, random, logger, metrics, recorder },
    {
      clusterCa: 'test authority',
      ...(options.signingAuthority && { signingAuthority: options.signingAuthority }),
      ...(options.issueSecretToken && { issueSecretToken: options.issueSecretToken }),
      ...(options.controllers && { only: new Set(options.controllers) }),
    },
    signal,
  );
}

function runScheduler(
  { clock, random, metrics }: Parts,
  client: Client,
  signal: AbortSignal,
): Promise<unknown> {
  const informers = createInformerFactory(client, { clock, random, logger, signal });
  const recorder = createEventRecorder({ client, clock, logger, component: 'kube-scheduler', signal });
  return startScheduler({ client, informers, clock, random, logger, metrics, recorder }, signal);
}

/** A real kubelet over a simulated runtime. Resolves once it has started, for which time moves on. */
async function runNode(
  { options, server, clock, random }: Parts,
  { node, address, labels }: { node: ClusterNode; address: string; labels: Record<string, string> },
  signal: AbortSignal,
): Promise<void> {
  const { name } = node;
  const transport = server.localTransport({ name: `system:node:${name}`, groups });
  const client = createClient(
    cutWhile(options.wrapNodeTransport?.(transport) ?? transport, () => node.isSilent),
    { fieldManager: 'kubelet' },
  );
  const runtime = simulatedRuntime({
    clock,
    random,
    ...(options.behaviour && { behaviour: options.behaviour }),
  });
  node.runtime = runtime;
  const kubelet = await startKubelet(
    {
      client,
      informers: createInformerFactory(client, { clock, random, logger, signal }),
      runtime,
      machine: simulatedMachine({ runtime, cpuCores: 64, memoryBytes: 256 * 1024 ** 3 }),
      nodeName: name,
      nodeIps: [address],
      clock,
      random,
      logger,
      metrics: node.metrics,
      recorder: createEventRecorder({ client, clock, logger, component: 'kubelet', host: name, signal }),
      clusterDns: ['10.96.0.10'],
      clusterDomain: 'cluster.local',
      labels,
      configuration: { maxPods: options.podsMax ?? 500 },
      ...(options.trafficRules && { trafficRules: options.trafficRules }),
    },
    signal,
  );
  let isStarted = false;
  void kubelet.started.then(() => {
    isStarted = true;
  });
  await clock.advanceUntil(() => isStarted);
}

/** Fails every request while `isCut` says so; what was asked before is still answered. */
function cutWhile(transport: Transport, isCut: () => boolean): Transport {
  return {
    send: async (request) => {
      if (isCut()) throw new TransportError('the node is cut off');
      return transport.send(request);
    },
    close: () => transport.close(),
  };
}
