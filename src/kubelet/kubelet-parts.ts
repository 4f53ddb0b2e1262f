/** Builds the parts of a kubelet and connects them. Nothing runs yet. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { kubernetesVersion } from '../api/component-base/version-info.ts';
import { CSIDriver, Node, Pod, Service } from '../api/resources.gen.ts';
import {
  architectureLabel,
  firstArchitectureLabel,
  firstOsLabel,
  hostnameLabel,
  osLabel,
} from '../api/well-known.ts';
import type { Logger } from '../base/logger.ts';
import type { Informer } from '../client/informers/informer.ts';
import { CdiInjection, knowsCdi } from './cdi/cdi-injection.ts';
import { type KubeletSettings, kubeletSettings } from './configuration/configuration.ts';
import { WaitBackoff } from './containers/crash-backoff.ts';
import type { KubeletContext, TrafficRules } from './context.ts';
import type { RuntimeStatus, RuntimeVersion } from './cri/messages.ts';
import type { ContainerRuntime } from './cri/runtime.ts';
import { NodeDrivers } from './csi/node-drivers.ts';
import { noDevices } from './devices/device-allocator.ts';
import { DevicePlugins } from './devices/plugin-manager.ts';
import { NodeClaims, noClaimedDevices } from './dynamic-resources/node-claims.ts';
import { ImageManager } from './images/image-manager.ts';
import { PulledImages } from './images/pulled-images.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import type { MachineFacts } from './machine.ts';
import type { KubeletMetrics } from './metrics/kubelet-metrics.ts';
import { measuredCgroups } from './metrics/measured-cgroups.ts';
import { NodeRegistration } from './node/node-registration.ts';
import { NodeReporter } from './node/node-reporter.ts';
import { type NodeResources, nodeResources } from './node/node-resources.ts';
import { PodAdmitter } from './node/pod-admitter.ts';
import { ObjectSource } from './object-source.ts';
import { PodSet } from './pod/pod-set.ts';
import { PodStarts } from './pod/pod-starts.ts';
import { StatusManager } from './pod/status/status-manager.ts';
import { ProbeManager } from './probes/probe-manager.ts';
import { SandboxStarts } from './sandbox/sandbox-starts.ts';
import { UserNamespaces } from './sandbox/user-namespaces.ts';
import type { NodeFacts } from './spec/field-paths.ts';
import type { CsiNode, PodVolumes } from './volumes/pod-volumes.ts';

const defaultSeccompRoot = '/var/lib/kubelet/seccomp';

/** What must be known, or be running, before the parts can be built. */
export interface Ground {
  facts: MachineFacts;
  runtimeVersion: RuntimeVersion;
  runtimeStatus: RuntimeStatus;
  runtime: ContainerRuntime;
  metrics: KubeletMetrics;
  logger: Logger;
  signal: AbortSignal;
}

export class KubeletParts {
  readonly nodeName: string;
  readonly facts: MachineFacts;
  readonly context: KubeletContext;
  readonly pods: PodSet;
  readonly registration: NodeRegistration;
  readonly reporter: NodeReporter;
  readonly settings: KubeletSettings;
  readonly podInformer: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly services: Informer<Service>;
  /** Absent where there is no folder for their sockets: on simulated nodes. */
  readonly devicePlugins: DevicePlugins | undefined;
  readonly drivers: NodeDrivers;
  /** As with device plugins. */
  readonly claims: NodeClaims | undefined;
  readonly #options: KubeletOptions;
  readonly #ground: Ground;
  readonly #labels: Record<string, string>;
  readonly #admitter: PodAdmitter;
  #knownResources: { devices: object; resources: NodeResources } | undefined;

  constructor(options: KubeletOptions, ground: Ground) {
    const { nodeName, informers, configuration = {} } = options;
    this.nodeName = nodeName;
    this.facts = ground.facts;
    this.#options = options;
    this.#ground = ground;
    this.settings = kubeletSettings(configuration);
    this.#labels = { ...standardLabels(nodeName, ground.facts), ...options.labels };
    this.services = informers.of(Service);
    this.nodes = informers.of(Node, { fieldSelector: `metadata.name=${nodeName}` });
    this.podInformer = informers.of(Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
    this.devicePlugins = this.#createDevicePlugins();
    this.drivers = this.#createDrivers();
    this.claims = this.#createClaims();
    this.reporter = this.#createReporter();
    this.registration = this.#createRegistration();
    this.#admitter = this.#createAdmitter();
    this.context = this.#createContext();
    this.pods = new PodSet(this.context);
    ground.metrics.watch(this.pods, nodeName);
    if (ground.facts.cgroupVersion) ground.metrics.cgroupVersion(ground.facts.cgroupVersion);
  }

  /** The node's capacity, and what of it pods may use. Every pod asks several times; only devices change. */
  resources(): NodeResources {
    const devices = (this.devicePlugins ?? noDevices).resources();
    const known = this.#knownResources;
    if (known && isDeepStrictEqual(known.devices, devices)) return known.resources;
    const resources = nodeResources(this.#ground.facts, this.settings, devices);
    this.#knownResources = { devices, resources };
    return resources;
  }

  #createDevicePlugins(): DevicePlugins | undefined {
    const { rootDir } = this.#options.machine;
    if (rootDir === undefined) return undefined;
    return new DevicePlugins({
      folder: join(rootDir, 'device-plugins'),
      logger: this.#ground.logger,
      changed: () => this.registration.refresh(),
      healthChanged: (uids) => this.#wakeEach(uids),
      clock: this.#options.clock,
      metrics: this.#ground.metrics.devices,
    });
  }

  #createClaims(): NodeClaims | undefined {
    const { client, clock, machine, nodeName } = this.#options;
    const { logger, signal, metrics } = this.#ground;
    if (machine.rootDir === undefined) return undefined;
    return new NodeClaims({
      client,
      clock,
      logger,
      nodeName,
      rootDir: machine.rootDir,
      signal,
      metrics: metrics.claims,
      driverCame: () => this.#pluginCame(),
      healthChanged: (uids) => this.#wakeEach(uids),
    });
  }

  #createDrivers(): NodeDrivers {
    const { client, clock, informers, nodeName } = this.#options;
    return new NodeDrivers({
      client,
      clock,
      logger: this.#ground.logger,
      nodeName,
      node: () => this.registration.node,
      driverObjects: () => informers.of(CSIDriver),
      called: this.#ground.metrics.csiCalled,
      changed: () => this.#pluginCame(),
    });
  }

  #createReporter(): NodeReporter {
    const { clock, machine, nodeName, nodeIps, kubeletPort = 0, version = kubernetesVersion } = this.#options;
    const { facts, logger, runtime, runtimeStatus, runtimeVersion } = this.#ground;
    return new NodeReporter({
      clock,
      logger,
      facts,
      machine,
      runtime,
      runtimeStatus,
      runtimeVersion: `${runtimeVersion.runtimeName}://${runtimeVersion.runtimeVersion}`,
      nodeName,
      nodeIps,
      kubeletPort,
      version,
      resources: () => this.resources(),
      volumesInUse: () => this.context.volumes.volumesInUse(),
    });
  }

  #createRegistration(): NodeRegistration {
    const { client, clock, recorder, nodeName } = this.#options;
    return new NodeRegistration({
      client,
      clock,
      logger: this.#ground.logger,
      recorder,
      nodeName,
      labels: this.#labels,
      taints: this.settings.taints,
      report: () => this.reporter.report(),
    });
  }

  #createAdmitter(): PodAdmitter {
    const { recorder, nodeName } = this.#options;
    const { allowedUnsafeSysctls } = this.settings;
    // Static pods start although the API, and with it the Node object, may not be available yet.
    const standIn = { metadata: { name: nodeName, labels: this.#labels } } as Node;
    return new PodAdmitter({
      recorder,
      counts: this.#ground.metrics.counts,
      pods: () => this.pods,
      node: () => this.registration.node ?? standIn,
      allocatable: () => this.#nodeFacts().allocatable,
      devices: this.devicePlugins ?? noDevices,
      conditions: () => ({
        ...this.reporter.pressure,
        allowedUnsafeSysctls,
        hasStrictGroups: this.reporter.hasStrictGroups,
        hasAppArmor: this.facts.hasAppArmor,
      }),
    });
  }

  #createContext(): KubeletContext {
    const { client, clock, random, machine, recorder, clusterDns, clusterDomain } = this.#options;
    const { seccompRoot = defaultSeccompRoot, trafficRules = noTrafficRules } = this.#options;
    const { facts, runtime, runtimeVersion, metrics, logger, signal } = this.#ground;
    const objects = new ObjectSource({ client, clock, signal, changed: (uid) => this.#wake(uid) });
    return {
      client,
      runtime,
      runtimeName: runtimeVersion.runtimeName,
      machine: { ...machine, cgroups: measuredCgroups(machine.cgroups, clock, metrics.cgroups) },
      clock,
      random,
      logger,
      recorder,
      signal,
      objects,
      devices: this.devicePlugins ?? noDevices,
      claims: this.claims?.devices ?? noClaimedDevices,
      injectDevices: this.#createInjection(),
      clusterDns,
      clusterDomain,
      seccompRoot,
      seccompDefault: this.settings.seccompDefault,
      memoryCapacityBytes: facts.memoryBytes,
      images: this.#createImages(objects),
      sandboxStarts: new SandboxStarts(),
      podStarts: new PodStarts(clock),
      userNamespaces: this.#createUserNamespaces(),
      probes: this.#createProbes(),
      volumes: this.#createVolumes(objects),
      statuses: new StatusManager({ client, clock, logger, signal, counts: metrics.counts }),
      crashBackoff: new WaitBackoff({ clock, maxMs: this.settings.restartWaitMaxMs }),
      node: () => this.#nodeFacts(),
      servicesFor: (pod) => servicesFor(pod, this.services),
      networkProblem: () => this.reporter.networkProblem,
      trafficRules,
      runtimeHandlers: () => this.reporter.runtimeHandlers,
      hasRecursiveReadOnly: (runtimeHandler) => this.reporter.hasRecursiveReadOnly(runtimeHandler),
      admit: (pod) => this.#admitter.admit(pod),
      findResizeProblem: (pod, granted) => this.#admitter.findResizeProblem(pod, granted),
      resourcesFreed: () => this.pods.wakeWaiting(),
      track: (id, uid) => this.pods.track(id, uid),
      counts: metrics.counts,
      timings: metrics,
    };
  }

  #wake(uid: string): void {
    this.pods.find(uid)?.wake();
  }

  #wakeEach(uids: readonly string[]): void {
    for (const uid of uids) this.#wake(uid);
  }

  /** Pods may have waited for the driver, and cleanups that need it may now succeed. */
  #pluginCame(): void {
    this.pods.wakeAll();
    this.pods.tidy();
  }

  /** A runtime that supports CDI is given the devices by name. */
  #createInjection(): KubeletContext['injectDevices'] {
    const { runtimeStatus, runtimeVersion, logger } = this.#ground;
    const { rootDir } = this.#options.machine;
    if (rootDir === undefined || knowsCdi(runtimeVersion, runtimeStatus)) return async (_, config) => config;
    const cdi = new CdiInjection({ logger });
    return (uid, config) => cdi.inject(config, join(rootDir, 'pods', uid, 'cdi', config.metadata.name));
  }

  #createUserNamespaces(): UserNamespaces {
    const { machine, random } = this.#options;
    const { rootDir } = machine;
    return new UserNamespaces({ random, podsDir: rootDir === undefined ? undefined : join(rootDir, 'pods') });
  }

  #createImages(objects: ObjectSource): ImageManager {
    const { runtime, signal } = this.#ground;
    return new ImageManager({
      runtime,
      objects,
      clock: this.#options.clock,
      signal,
      pulled: this.#createPulledImages(),
      metrics: this.#ground.metrics.images,
      pullsMax: this.settings.parallelPullsMax,
    });
  }

  #createProbes(): ProbeManager {
    const { clock, machine, recorder } = this.#options;
    const { runtime, metrics } = this.#ground;
    return new ProbeManager({
      runtime,
      dialer: machine.dialer,
      clock,
      recorder,
      metrics: metrics.probes,
      changed: (uid) => this.pods.find(uid)?.probeChanged(),
    });
  }

  #createVolumes(objects: ObjectSource): PodVolumes {
    const { client, clock, random, machine } = this.#options;
    const { metrics, logger } = this.#ground;
    return machine.createVolumes({
      client,
      objects,
      clock,
      random,
      logger,
      node: () => this.#nodeFacts(),
      refreshNeeded: (uid) => this.#wake(uid),
      csi: this.#csiNode(),
      storage: metrics.storage,
    });
  }

  #createPulledImages(): PulledImages {
    const { rootDir } = this.#options.machine;
    return new PulledImages({
      ...(rootDir !== undefined && { file: join(rootDir, 'image_manager', 'pulled.json') }),
      logger: this.#ground.logger,
      verification: this.settings.pullVerification,
    });
  }

  #csiNode(): CsiNode {
    const status = () => this.registration.node?.status;
    return {
      drivers: this.drivers,
      isReportedInUse: (name) => status()?.volumesInUse?.includes(name) ?? false,
      isOffered: (name) => status()?.volumesAttached?.some((each) => each.name === name) ?? false,
      inUseChanged: () => this.registration.refresh(),
      recorder: this.#options.recorder,
    };
  }

  #nodeFacts(): NodeFacts {
    const { nodeName, nodeIps } = this.#options;
    const reported = this.registration.node?.status?.allocatable;
    const allocatable = { ...reported, ...this.resources().allocatable };
    return { nodeName, hostIps: nodeIps, allocatable };
  }
}

const noTrafficRules: TrafficRules = { inForce: () => Promise.resolve(), problem: () => undefined };

/** The services for a pod's environment: those of its namespace, and the API's own. */
function* servicesFor(pod: Pod, services: Informer<Service>): Iterable<Service> {
  const { namespace = '' } = pod.metadata;
  yield* services.inNamespace(namespace);
  const kubernetes = namespace === 'default' ? undefined : services.get('default/kubernetes');
  if (kubernetes) yield kubernetes;
}

function standardLabels(nodeName: string, facts: MachineFacts): Record<string, string> {
  return {
    [hostnameLabel]: nodeName,
    [osLabel]: 'linux',
    [architectureLabel]: facts.architecture,
    [firstOsLabel]: 'linux',
    [firstArchitectureLabel]: facts.architecture,
  };
}
