/** The kubelet of one node: runs the pods bound to it, and reports the state of node and pods to the API. */
import { join } from 'node:path';
import type { Node } from '../api/resources.gen.ts';
import { unlessAborted, untilAborted } from '../base/async/unless-aborted.ts';
import { watchClockJumps } from '../base/clock-jumps.ts';
import type { KubeletConfiguration } from './configuration/configuration.ts';
import type { KubeletContext } from './context.ts';
import { measuredRuntime } from './cri/measured-runtime.ts';
import { PluginRegistry } from './csi/plugin-registry.ts';
import { servePodResources } from './devices/pod-resources.ts';
import { startHousekeeping } from './housekeeping.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { type Ground, KubeletParts } from './kubelet-parts.ts';
import { kubeletMetrics } from './metrics/kubelet-metrics.ts';
import { keepNodeLease } from './node/node-lease.ts';
import type { NodeRegistration } from './node/node-registration.ts';
import type { NodeReporter } from './node/node-reporter.ts';
import { podsMemoryMaxBytes, podsShare } from './node/node-resources.ts';
import type { PodSet } from './pod/pod-set.ts';
import { StaticPods } from './static-pods/static-pods.ts';
import { untilDone } from './until-done.ts';

export interface Kubelet {
  readonly context: KubeletContext;
  /** The configuration as given. */
  readonly configuration: KubeletConfiguration;
  readonly pods: PodSet;
  readonly registration: NodeRegistration;
  readonly reporter: NodeReporter;
  /** Resolves when the node is registered and its pods are known. */
  readonly started: Promise<void>;
  /** Resolves after the signal, when all of it has stopped. @throws what kept it from starting */
  readonly stopped: Promise<void>;
}

/** Resolves when machine and runtime have answered; {@link Kubelet.started} resolves when everything else runs. */
export async function startKubelet(options: KubeletOptions, signal: AbortSignal): Promise<Kubelet> {
  const parts = new KubeletParts(options, await prepareGround(options, signal));
  const { context, pods, registration, reporter } = parts;
  followNode(parts);
  const started = start(parts);
  const stopped = stopAfter(started, parts);
  // Failures are reported to those who await these promises.
  stopped.catch(() => undefined);
  return {
    context,
    configuration: options.configuration ?? {},
    pods,
    registration,
    reporter,
    started,
    stopped,
  };
}

async function prepareGround(options: KubeletOptions, signal: AbortSignal): Promise<Ground> {
  const { clock, machine } = options;
  const logger = options.logger.for('kubelet');
  const metrics = kubeletMetrics(options.metrics);
  const runtime = measuredRuntime(options.runtime, clock, metrics.operations);
  const patiently = <T>(work: () => Promise<T>) =>
    untilDone({ clock, logger, signal }, 'the runtime does not answer', work);
  const [facts, runtimeVersion, runtimeStatus] = await Promise.all([
    machine.facts(),
    patiently(() => runtime.version()),
    patiently(() => runtime.status({ verbose: true })),
  ]);
  return { facts, runtimeVersion, runtimeStatus, runtime, metrics, logger, signal };
}

async function start(parts: KubeletParts): Promise<void> {
  const { context, pods, podInformer, services, devicePlugins } = parts;
  const { clock, signal, machine } = context;
  const { rootDir } = machine;
  announce(parts, 'Starting', 'Starting kubelet.');
  await untilDone(context, 'the control groups cannot be made', () => prepareCgroups(parts));
  announce(parts, 'NodeAllocatableEnforced', 'Updated Node Allocatable limit across pods');
  await untilDone(context, 'device plugins cannot be served', async () => devicePlugins?.start(signal));
  await untilDone(context, 'the resources of pods cannot be served', () => tellPodResources(parts));
  keepNode(parts);
  await untilDone(context, 'the containers cannot be listed', () => pods.start());
  if (rootDir !== undefined) await followPlugins(parts, rootDir);
  const staticPods = rootDir === undefined ? undefined : createStaticPods(parts, rootDir);
  await untilDone(context, 'static pods cannot be read', async () => staticPods?.load());
  await Promise.all([podInformer.synced(), services.synced(), registered(parts)]);
  pods.follow(podInformer);
  void watchClockJumps(clock, (byMs) => clockJumped(parts, byMs), signal);
  void staticPods?.run(signal);
  if (rootDir !== undefined) keepHouse(parts, rootDir);
}

/** Stops the parts that the signal alone does not stop; a stop during the start takes effect after it. */
async function stopAfter(started: Promise<void>, { context, drivers, pods }: KubeletParts): Promise<void> {
  const { signal, probes } = context;
  await started.catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  await untilAborted(signal);
  probes.close();
  drivers.close();
  pods.close();
}

function announce({ context, nodeName }: KubeletParts, reason: string, message: string): void {
  const node = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
  context.recorder.event(node, 'Normal', reason, message);
}

function prepareCgroups(parts: KubeletParts): Promise<void> {
  return parts.context.machine.cgroups.prepare(podsShare(parts.facts, parts.settings));
}

async function tellPodResources({ context, pods, devicePlugins }: KubeletParts): Promise<void> {
  const { rootDir } = context.machine;
  if (rootDir === undefined || !devicePlugins) return;
  await servePodResources(
    {
      folder: join(rootDir, 'pod-resources'),
      devices: devicePlugins,
      claims: context.claims,
      pods: () => pods.admitted(),
      find: (namespace, name) => pods.findByName(namespace, name)?.pod,
      metrics: context.timings.devices,
    },
    context.signal,
  );
}

/** Its Node object and its lease. */
function keepNode({ context, registration, nodeName }: KubeletParts): void {
  const { client, clock, logger, signal } = context;
  void registration.run(signal);
  void keepNodeLease({ client, clock, logger, nodeName, node: () => registration.node }, signal);
}

/** Drivers put their sockets in a folder of the node. */
async function followPlugins({ context, drivers, claims }: KubeletParts, rootDir: string): Promise<void> {
  const { clock, logger, signal } = context;
  void drivers.prepare(signal);
  await claims?.start();
  const follow = () =>
    new PluginRegistry({
      folder: join(rootDir, 'plugins_registry'),
      clock,
      logger,
      kinds: { CSIPlugin: drivers, ...(claims && { DRAPlugin: claims.drivers }) },
    }).start(signal);
  await untilDone(context, 'plugins cannot be followed', follow);
}

function createStaticPods(parts: KubeletParts, rootDir: string): StaticPods {
  const { context, pods, registration, settings } = parts;
  const folder = settings.staticPodDir ?? join(rootDir, 'manifests');
  return new StaticPods({ context, pods, registration, informer: parts.podInformer, folder });
}

function followNode({ nodes, registration, context }: KubeletParts): void {
  let podCidr: string | undefined;
  const note = (node: Node) => {
    registration.noteServerNode(node);
    const cidr = node.spec?.podCIDR;
    if (!cidr || cidr === podCidr) return;
    podCidr = cidr;
    context.runtime.updatePodCidr(cidr).then(
      () => registration.refresh(),
      (error: unknown) => context.logger.warn('the runtime could not be given the pod range', { error }),
    );
  };
  nodes.handle({ added: note, updated: note });
}

/** Resolves once the Node object is known. */
async function registered({ nodes, registration, context }: KubeletParts): Promise<void> {
  await nodes.synced();
  if (registration.node) return;
  const added = Promise.withResolvers<void>();
  nodes.handle({ added: () => added.resolve() });
  await unlessAborted(added.promise, context.signal);
}

function keepHouse(parts: KubeletParts, rootDir: string): void {
  const { context, pods, reporter, registration, nodeName, settings } = parts;
  startHousekeeping(
    {
      context,
      pods,
      reporter,
      registration,
      nodeName,
      rootDir,
      podsMemoryMaxBytes: podsMemoryMaxBytes(parts.facts, settings),
      settings,
    },
    context.signal,
  );
}

/**
 * Timers do not follow the time of day: what is due at a point in time, such as a token's renewal or a deadline, may be
 * due now.
 */
function clockJumped({ context, pods }: KubeletParts, byMs: number): void {
  context.logger.warn('the clock has jumped', { seconds: Math.round(byMs / 1000) });
  pods.wakeAll();
}
