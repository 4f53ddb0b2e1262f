/** The kubelet of one node: follows the pods bound to it and runs them, and tells the API how node and pods are. */
import { join } from 'node:path';
import { Node, Pod, Service } from '../api/resources.gen.ts';
import { backoffDelayMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { watchClockJumps } from '../base/clock-jumps.ts';
import type { Logger } from '../base/logger.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';
import { type KubeletConfiguration, kubeletSettings } from './configuration.ts';
import type { KubeletContext, TrafficRules } from './context.ts';
import { measuredRuntime } from './cri/measured-runtime.ts';
import type { ContainerRuntime } from './cri/runtime.ts';
import { NodeDrivers } from './csi/node-drivers.ts';
import { PluginRegistry } from './csi/plugin-registry.ts';
import { noDevices } from './devices/device-allocator.ts';
import { DevicePlugins } from './devices/plugin-manager.ts';
import { startHousekeeping } from './housekeeping.ts';
import { ImageManager } from './images/image-manager.ts';
import { kubeletMetrics } from './kubelet-metrics.ts';
import type { Machine, MachineFacts } from './machine.ts';
import { findRefusal } from './node/admission.ts';
import { keepNodeLease } from './node/node-lease.ts';
import { NodeRegistration } from './node/node-registration.ts';
import { NodeReporter } from './node/node-reporter.ts';
import { nodeResources } from './node/node-resources.ts';
import { planPreemption } from './node/preemption.ts';
import { ObjectSource } from './object-source.ts';
import { WaitBackoff } from './pod/crash-backoff.ts';
import { podEvents } from './pod/pod-events.ts';
import { PodSet } from './pod/pod-set.ts';
import { ProbeManager } from './probes/probe-manager.ts';
import { findResizeTurn } from './resize.ts';
import type { NodeFacts } from './spec/field-paths.ts';
import { StaticPods } from './static-pods.ts';
import { StatusManager } from './status-manager.ts';

export interface KubeletOptions {
  client: Client;
  /** Of this client; stops with the kubelet's signal or later. Simulated nodes of one process may share one. */
  informers: InformerFactory;
  runtime: ContainerRuntime;
  machine: Machine;
  nodeName: string;
  nodeIps: readonly string[];
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  /** Of component `kubelet` and this node. */
  recorder: EventRecorder;
  clusterDns: readonly string[];
  clusterDomain: string;
  labels?: Record<string, string>;
  configuration?: KubeletConfiguration;
  /** Where its server listens; absent on nodes that have none (simulated ones). */
  kubeletPort?: number;
  seccompRoot?: string;
  version?: string;
  /**
   * Asked when a pod has its addresses (`PodSet.addressed` tells them), before its first container starts.
   * Absent: nothing is waited for.
   */
  trafficRules?: TrafficRules;
}

export interface Kubelet {
  readonly context: KubeletContext;
  /** As it was given. */
  readonly configuration: KubeletConfiguration;
  readonly pods: PodSet;
  readonly registration: NodeRegistration;
  readonly reporter: NodeReporter;
  /** Resolves when the node is registered and its pods are known. */
  readonly started: Promise<void>;
  /** Resolves after the signal, when nothing of it runs any more. */
  readonly stopped: Promise<void>;
}

const startRetry = { firstMs: 50, maxMs: 2_000 };
const defaultVersion = 'v1.36.4+wherry';

export async function startKubelet(options: KubeletOptions, signal: AbortSignal): Promise<Kubelet> {
  const { client, clock, random, logger: parentLogger, machine, nodeName, recorder } = options;
  const metrics = kubeletMetrics(options.metrics);
  const runtime = measuredRuntime(options.runtime, clock, metrics.operations);
  const logger = parentLogger.for('kubelet');
  const settings = kubeletSettings(options.configuration);
  const plugins =
    machine.rootDir === undefined
      ? undefined
      : new DevicePlugins({
          folder: join(machine.rootDir, 'device-plugins'),
          logger,
          changed: () => registration.refresh(),
        });
  const devices = plugins ?? noDevices;
  const drivers = new NodeDrivers({
    client,
    clock,
    logger,
    nodeName,
    node: () => registration.node,
    changed() {
      wakeAllPods();
      pods.tidy();
    },
  });
  const [facts, version, runtimeStatus] = await Promise.all([
    machine.facts(),
    untilDone('the runtime does not answer', () => runtime.version()),
    untilDone('the runtime does not answer', () => runtime.status()),
  ]);
  const ownLabels = { ...standardLabels(nodeName, facts), ...options.labels };
  const resources = () => nodeResources(facts, settings, devices.resources());

  const services = options.informers.of(Service);
  const nodes = options.informers.of(Node, { fieldSelector: `metadata.name=${nodeName}` });
  const podInformer = options.informers.of(Pod, { fieldSelector: `spec.nodeName=${nodeName}` });

  const node = (): NodeFacts => ({
    nodeName,
    hostIps: options.nodeIps,
    allocatable: { ...registration.node?.status?.allocatable, ...resources().allocatable },
  });
  const changed = (uid: string) => pods.find(uid)?.wake();
  const objects = new ObjectSource({ client, clock, signal, changed });
  const reporter = new NodeReporter({
    facts,
    machine,
    runtime,
    runtimeVersion: `${version.runtimeName}://${version.runtimeVersion}`,
    nodeName,
    nodeIps: options.nodeIps,
    kubeletPort: options.kubeletPort ?? 0,
    version: options.version ?? defaultVersion,
    resources,
    volumesInUse: () => context.volumes.volumesInUse(),
    runtimeStatus,
  });
  const registration = new NodeRegistration({
    client,
    clock,
    logger,
    recorder,
    nodeName,
    labels: ownLabels,
    taints: settings.taints,
    report: () => reporter.report(),
  });

  const context: KubeletContext = {
    client,
    runtime,
    runtimeName: version.runtimeName,
    machine,
    clock,
    random,
    logger,
    recorder,
    signal,
    objects,
    devices,
    clusterDns: options.clusterDns,
    clusterDomain: options.clusterDomain,
    seccompRoot: options.seccompRoot ?? '/var/lib/kubelet/seccomp',
    memoryCapacityBytes: facts.memoryBytes,
    images: new ImageManager({ runtime, objects, clock, signal, pullsMax: settings.parallelPullsMax }),
    probes: new ProbeManager({
      runtime,
      dialer: machine.dialer,
      clock,
      random,
      recorder,
      count: metrics.probes,
      changed: (uid) => pods.find(uid)?.probeChanged(),
    }),
    volumes: machine.createVolumes({
      client,
      objects,
      clock,
      random,
      logger,
      node,
      refreshNeeded: changed,
      csi: {
        drivers,
        isReportedInUse: (name) => registration.node?.status?.volumesInUse?.includes(name) ?? false,
        isOffered: (name) =>
          registration.node?.status?.volumesAttached?.some((each) => each.name === name) ?? false,
        inUseChanged: () => registration.refresh(),
        recorder,
      },
    }),
    statuses: new StatusManager({ client, clock, logger, signal }),
    crashBackoff: new WaitBackoff({ clock }),
    node,
    *servicesFor(pod) {
      const { namespace = '' } = pod.metadata;
      yield* services.inNamespace(namespace);
      const kubernetes = namespace === 'default' ? undefined : services.get('default/kubernetes');
      if (kubernetes) yield kubernetes;
    },
    networkProblem: () => reporter.networkProblem,
    trafficRules: options.trafficRules ?? { inForce: () => Promise.resolve(), problem: () => undefined },
    hasRecursiveReadOnly: (runtimeHandler) => reporter.hasRecursiveReadOnly(runtimeHandler),
    async admit(pod) {
      // Static pods start although the API, and with it the node's object, may not be there yet.
      const current = registration.node ?? ({ metadata: { name: nodeName, labels: ownLabels } } as Node);
      const others = [...pods.admitted()].filter(({ metadata }) => metadata.uid !== pod.metadata.uid);
      const refusal = findRefusal(pod, {
        node: current,
        allocatable: node().allocatable,
        others,
        ...reporter.pressure,
        allowedUnsafeSysctls: settings.allowedUnsafeSysctls,
        hasStrictGroups: reporter.hasStrictGroups,
      });
      if (!refusal) return undefined;
      return (await preempt(pod, refusal.missing, others)) ? undefined : refusal;
    },
    findResizeProblem(pod, granted) {
      const { uid } = pod.metadata;
      const others = [...pods.waitingResizes()].filter((one) => one.pod.metadata.uid !== uid);
      const { problem, sooner } = findResizeTurn(
        uid,
        [{ pod, granted, ...pods.waitsSince(uid) }, ...others],
        {
          allocatable: node().allocatable,
          admitted: [...pods.admitted()],
        },
      );
      for (const one of sooner) pods.find(one)?.wake();
      return problem;
    },
    resourcesFreed: () => pods.wakeWaiting(),
    track: (id, uid) => pods.track(id, uid),
    timings: metrics,
  };
  const pods: PodSet = new PodSet(context);
  metrics.watch(pods, nodeName);

  nodes.handle({
    added: (object) => noteNode(object),
    updated: (object) => noteNode(object),
  });
  let podCidr: string | undefined;
  function noteNode(object: Node) {
    registration.noteServerNode(object);
    const cidr = object.spec?.podCIDR;
    if (!cidr || cidr === podCidr) return;
    podCidr = cidr;
    runtime.updatePodCidr(cidr).then(
      () => registration.refresh(),
      (error: unknown) => logger.warn('the pod range could not be told to the runtime', { error }),
    );
  }

  /** What needs the runtime or the machine is tried until it works: containerd may start after the agent, or restart. */
  async function untilDone<T>(complaint: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        logger.warn(complaint, { error });
        await clock.sleep(backoffDelayMs(startRetry, Math.min(attempt, 8)), signal);
      }
    }
  }

  /** CSI drivers put their sockets there. */
  async function followPlugins(rootDir: string): Promise<void> {
    const registry = new PluginRegistry({
      folder: join(rootDir, 'plugins_registry'),
      clock,
      logger,
      registered: (plugin) => drivers.register(plugin),
      removed: (name) => drivers.unregister(name),
    });
    await registry.start(signal);
  }

  /** True when there is room now: pods of lower rank have given way to a critical one. */
  async function preempt(pod: Pod, missing: Record<string, number> | undefined, others: readonly Pod[]) {
    const victims = missing && planPreemption(pod, missing, others);
    if (!victims) return false;
    const message = 'Preempted in order to admit critical pod';
    const disruption = { reason: 'TerminationByKubelet', message };
    for (const victim of victims) {
      const worker = pods.find(victim.metadata.uid);
      podEvents(recorder, victim).warning('Preempting', message);
      worker?.evict({
        reason: 'Preempting',
        message,
        graceSeconds: victim.spec.terminationGracePeriodSeconds ?? 30,
        disruption,
      });
    }
    await Promise.all(victims.map((victim) => pods.find(victim.metadata.uid)?.done()));
    return true;
  }

  /** Timers count no time of day: what is due at some hour, a token's renewal or a deadline, may be due now. */
  function clockJumped(byMs: number): void {
    logger.warn('the clock has jumped', { seconds: Math.round(byMs / 1000) });
    wakeAllPods();
  }

  function wakeAllPods(): void {
    for (const worker of pods.workers()) worker.wake();
  }

  const started = start();
  const stopped = (async () => {
    await started.catch(() => undefined);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    context.probes.close();
    drivers.close();
    pods.close();
  })();
  return {
    context,
    configuration: options.configuration ?? {},
    pods,
    registration,
    reporter,
    started,
    stopped,
  };

  async function start(): Promise<void> {
    recorder.event(
      { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName },
      'Normal',
      'Starting',
      'Starting kubelet.',
    );
    const { allocatable } = resources();
    const sizes = {
      milliCpu: facts.cpuCores * 1000,
      memoryBytes: Number.parseInt(allocatable.memory!, 10) * 1024,
    };
    await untilDone('the control groups cannot be made', () => machine.cgroups.prepare(sizes));
    await untilDone('device plugins cannot be served', async () => plugins?.start(signal));
    void registration.run(signal);
    void keepNodeLease({ client, clock, logger, nodeName, node: () => registration.node }, signal);
    await untilDone('the containers cannot be listed', () => pods.start());
    const { rootDir } = machine;
    if (rootDir !== undefined) {
      void drivers.prepare(signal);
      await untilDone('plugins cannot be followed', () => followPlugins(rootDir));
    }
    const staticPods =
      rootDir === undefined
        ? undefined
        : new StaticPods({
            context,
            pods,
            registration,
            informer: podInformer,
            folder: settings.staticPodDir ?? join(rootDir, 'manifests'),
          });
    await staticPods?.load();
    await Promise.all([podInformer.synced(), services.synced(), registered(registration, nodes)]);
    pods.follow(podInformer);
    void watchClockJumps(clock, clockJumped, signal);
    void staticPods?.run(signal);
    if (rootDir !== undefined)
      startHousekeeping({ context, pods, reporter, registration, nodeName, rootDir, settings }, signal);
  }
}

/** Resolves once the node's object is known. */
async function registered(registration: NodeRegistration, nodes: Informer<Node>): Promise<void> {
  await nodes.synced();
  if (registration.node) return;
  await new Promise<void>((resolve) => {
    nodes.handle({ added: () => resolve() });
  });
}

function standardLabels(nodeName: string, facts: MachineFacts): Record<string, string> {
  return {
    'kubernetes.io/hostname': nodeName,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': facts.architecture,
    'beta.kubernetes.io/os': 'linux',
    'beta.kubernetes.io/arch': facts.architecture,
  };
}
