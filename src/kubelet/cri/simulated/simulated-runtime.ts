/**
 * A container runtime without containers: state machines under the given clock, so that thousands of nodes run in one
 * process. What a container does follows from its image and command (see {@link behaviourOf}) unless overridden.
 */
import type { Clock, Timer } from '../../../base/clock.ts';
import type { Random } from '../../../base/random.ts';
import type {
  Container,
  ContainerConfig,
  ContainerStatus,
  Sandbox,
  SandboxConfig,
  SandboxStatus,
} from '../messages.ts';
import type { ContainerFilter, ContainerRuntime, RuntimeEvent } from '../runtime.ts';
import { RuntimeError } from '../runtime-error.ts';
import { AddressRange } from './address-range.ts';
import { ItemsByPod } from './items-by-pod.ts';
import { behaviourOf, type SimulatedBehaviour } from './simulated-behaviour.ts';
import { SimulatedEvents } from './simulated-events.ts';
import { SimulatedImages } from './simulated-images.ts';

export interface SimulatedRuntimeOptions {
  clock: Clock;
  random: Random;
  /** Overrides the behaviour that follows from the container's image and command. */
  behaviour?: (config: ContainerConfig, sandbox: SandboxConfig) => SimulatedBehaviour | undefined;
  /** Time to create a sandbox with its network; 20 ms by default. */
  sandboxMs?: number;
  /** Time from creating a container to running; 20 ms by default. */
  containerMs?: number;
  /** Time to pull a missing image; 100 ms by default. */
  pullMs?: number;
  /** Whether a registry has the image; by default all but 127.0.0.1:1 do. */
  hasImage?: (image: string) => boolean;
}

export interface SimulatedRuntime extends ContainerRuntime {
  /** Ends a container as if its process had exited. */
  exitContainer(id: string, exitCode: number): void;
  /** Sets what probes of the container find. */
  setHealthy(id: string, healthy: boolean): void;
  isHealthy(id: string): boolean;
}

interface SimulatedSandbox {
  status: SandboxStatus;
  config: SandboxConfig;
}

interface SimulatedContainer {
  sandboxId: string;
  status: ContainerStatus;
  behaviour: SimulatedBehaviour;
  healthy: boolean;
  exitTimer?: Timer;
  ended?: () => void;
}

export function simulatedRuntime(options: SimulatedRuntimeOptions): SimulatedRuntime {
  return new Simulation(options);
}

class Simulation implements SimulatedRuntime {
  readonly #options: Required<Omit<SimulatedRuntimeOptions, 'behaviour'>> &
    Pick<SimulatedRuntimeOptions, 'behaviour'>;
  readonly #sandboxes = new ItemsByPod<SimulatedSandbox>();
  readonly #containers = new ItemsByPod<SimulatedContainer>();
  readonly #images = new SimulatedImages();
  readonly #events = new SimulatedEvents();
  readonly #addresses = new AddressRange('10.244.0.0/24');

  constructor(options: SimulatedRuntimeOptions) {
    this.#options = {
      sandboxMs: 20,
      containerMs: 20,
      pullMs: 100,
      hasImage: (image) => !image.startsWith('127.0.0.1:1/'),
      ...options,
    };
  }

  async version() {
    return { runtimeName: 'simulated', runtimeVersion: '1', runtimeApiVersion: 'v1' };
  }

  async status() {
    const condition = (type: string) => ({ type, status: true, reason: '', message: '' });
    return {
      conditions: [condition('RuntimeReady'), condition('NetworkReady')],
      handlers: [{ name: '', recursiveReadOnlyMounts: true, userNamespaces: true }],
      features: { supplementalGroupsPolicy: true },
      info: {},
    };
  }

  async updatePodCidr(podCidr: string) {
    this.#addresses.cidr = podCidr;
  }

  async runPodSandbox(config: SandboxConfig, runtimeHandler: string, call?: { signal?: AbortSignal }) {
    await this.#options.clock.sleep(this.#options.sandboxMs, call?.signal);
    const id = this.#newId();
    const onHostNetwork = config.linux?.securityContext?.namespaceOptions?.network === 'NODE';
    this.#sandboxes.set(id, {
      config,
      status: {
        id,
        metadata: config.metadata,
        state: 'SANDBOX_READY',
        createdAt: this.#nowNs(),
        labels: config.labels ?? {},
        annotations: config.annotations ?? {},
        runtimeHandler,
        network: { ip: onHostNetwork ? '' : this.#addresses.next(), additionalIps: [] },
        linux: { namespaces: { options: config.linux?.securityContext?.namespaceOptions ?? {} } },
      },
    });
    this.#events.emit({ type: 'started', id });
    return id;
  }

  async stopPodSandbox(id: string) {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) return;
    for (const [containerId, container] of this.#containers)
      if (container.sandboxId === id) this.#end(containerId, 137);
    if (sandbox.status.state === 'SANDBOX_NOTREADY') return;
    sandbox.status = { ...sandbox.status, state: 'SANDBOX_NOTREADY', network: null };
    this.#events.emit({ type: 'exited', id, exitCode: 0 });
  }

  async removePodSandbox(id: string) {
    await this.stopPodSandbox(id);
    for (const [containerId, container] of this.#containers)
      if (container.sandboxId === id) this.#containers.delete(containerId);
    this.#sandboxes.delete(id);
  }

  async podSandboxStatus(id: string) {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw notFoundError('sandbox', id);
    return sandbox.status;
  }

  async listPodSandboxes(
    filter: { id?: string; state?: string; labelSelector?: Record<string, string> } = {},
  ) {
    const found: Sandbox[] = [];
    const labels = Object.entries(filter.labelSelector ?? {});
    for (const { status } of this.#sandboxes.candidates(filter.labelSelector)) {
      if (filter.id && filter.id !== status.id) continue;
      if (filter.state && filter.state !== status.state) continue;
      if (hasLabels(status.labels, labels)) found.push(status);
    }
    return found;
  }

  async createContainer(sandboxId: string, config: ContainerConfig, sandboxConfig: SandboxConfig) {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (!sandbox) throw notFoundError('sandbox', sandboxId);
    if (sandbox.status.state !== 'SANDBOX_READY')
      throw new RuntimeError('Unknown', `sandbox ${sandboxId} is not running`);
    const image = this.#images.find(config.image.image);
    if (!image) throw notFoundError('image', config.image.image);
    const id = this.#newId();
    const behaviour = this.#options.behaviour?.(config, sandboxConfig) ?? behaviourOf(config);
    this.#containers.set(id, {
      sandboxId,
      behaviour,
      healthy: behaviour.healthy ?? true,
      status: {
        id,
        metadata: config.metadata,
        state: 'CONTAINER_CREATED',
        createdAt: this.#nowNs(),
        startedAt: 0,
        finishedAt: 0,
        exitCode: 0,
        image: { image: image.repoTags[0] ?? image.id },
        imageRef: image.id,
        reason: '',
        message: '',
        labels: config.labels ?? {},
        annotations: config.annotations ?? {},
        mounts: config.mounts ?? [],
        logPath: `${sandboxConfig.logDirectory ?? ''}/${config.logPath ?? ''}`,
      },
    });
    return id;
  }

  async startContainer(id: string) {
    const container = this.#containerOf(id);
    await this.#options.clock.sleep(this.#options.containerMs);
    const { behaviour } = container;
    if (behaviour.startError) {
      const message = `failed to create containerd task: ${behaviour.startError}: unknown`;
      this.#change(container, {
        state: 'CONTAINER_EXITED',
        startedAt: 0,
        finishedAt: this.#nowNs(),
        exitCode: 128,
        reason: 'StartError',
        message,
      });
      throw new RuntimeError('Unknown', message);
    }
    this.#change(container, { state: 'CONTAINER_RUNNING', startedAt: this.#nowNs() });
    this.#events.emit({ type: 'started', id });
    const { exit } = behaviour;
    if (exit) container.exitTimer = this.#options.clock.after(exit.afterMs, () => this.#end(id, exit.code));
  }

  async stopContainer(id: string, timeoutSeconds: number) {
    const container = this.#containers.get(id);
    if (container?.status.state !== 'CONTAINER_RUNNING') return;
    if (container.behaviour.ignoresTerm && timeoutSeconds > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.after(timeoutSeconds * 1000, resolve);
        container.ended = () => {
          timer.cancel();
          resolve();
        };
      });
      this.#end(id, 137);
    } else {
      const { killMs } = container.behaviour;
      if (killMs) await this.#options.clock.sleep(killMs);
      this.#end(id, timeoutSeconds > 0 ? 143 : 137);
    }
  }

  async removeContainer(id: string) {
    this.#end(id, 137);
    this.#containers.delete(id);
  }

  async containerStatus(id: string) {
    return this.#containerOf(id).status;
  }

  async listContainers(filter: ContainerFilter = {}) {
    const found: Container[] = [];
    const labels = Object.entries(filter.labelSelector ?? {});
    for (const { sandboxId, status } of this.#containers.candidates(filter.labelSelector)) {
      if (filter.id && filter.id !== status.id) continue;
      if (filter.podSandboxId && filter.podSandboxId !== sandboxId) continue;
      if (filter.state && filter.state !== status.state) continue;
      if (hasLabels(status.labels, labels)) found.push({ ...status, podSandboxId: sandboxId });
    }
    return found;
  }

  async updateContainerResources(id: string, linux: object) {
    const container = this.#containerOf(id);
    this.#change(container, { resources: { linux } });
  }

  async reopenContainerLog(id: string) {
    this.#containerOf(id);
  }

  async execSync(id: string) {
    const container = this.#containerOf(id);
    if (container.status.state !== 'CONTAINER_RUNNING')
      throw new RuntimeError('Unknown', 'container is in CONTAINER_EXITED state');
    return { stdout: new Uint8Array(), stderr: new Uint8Array(), exitCode: container.healthy ? 0 : 1 };
  }

  async exec(): Promise<string> {
    throw unimplemented('exec');
  }
  async attach(): Promise<string> {
    throw unimplemented('attach');
  }
  async portForward(): Promise<string> {
    throw unimplemented('port-forward');
  }

  async listContainerStats(filter: ContainerFilter = {}) {
    const containers = await this.listContainers(filter);
    const timestamp = this.#nowNs();
    return containers.map(({ id, metadata, labels }) => ({
      attributes: { id, metadata, labels },
      cpu: { timestamp, usageCoreNanoSeconds: { value: 0 }, usageNanoCores: { value: 0 } },
      memory: { timestamp, workingSetBytes: { value: 0 }, usageBytes: { value: 0 } },
    }));
  }

  async listImages() {
    return this.#images.list();
  }

  async imageStatus(image: { image: string }) {
    return this.#images.find(image.image);
  }

  async imageSnapshot(image: { image: string }) {
    const found = this.#images.find(image.image);
    return found && { chainId: found.id, snapshotter: 'simulated' };
  }

  async pullImage(
    image: { image: string },
    _auth: unknown,
    _sandbox: unknown,
    call?: { signal?: AbortSignal },
  ) {
    await this.#options.clock.sleep(this.#options.pullMs, call?.signal);
    if (!this.#options.hasImage(image.image))
      throw new RuntimeError(
        'NotFound',
        `failed to pull and unpack image "${image.image}": failed to resolve reference "${image.image}": ${image.image}: not found`,
      );
    return this.#images.add(image.image, `sha256:${this.#newId()}`);
  }

  async removeImage(image: { image: string }) {
    this.#images.remove(image.image);
  }

  async downloads() {
    return [];
  }

  async dropAbandoned() {
    return 0;
  }

  async imageFsInfo() {
    return [
      {
        timestamp: this.#nowNs(),
        fsId: { mountpoint: '/simulated' },
        usedBytes: { value: 0 },
        inodesUsed: { value: 0 },
      },
    ];
  }

  events(signal: AbortSignal, ready: () => void): AsyncGenerator<RuntimeEvent> {
    return this.#events.follow(signal, ready);
  }

  close() {
    for (const container of this.#containers.values()) container.exitTimer?.cancel();
  }

  exitContainer(id: string, exitCode: number) {
    this.#end(id, exitCode);
  }

  setHealthy(id: string, healthy: boolean) {
    this.#containerOf(id).healthy = healthy;
  }

  isHealthy(id: string): boolean {
    const container = this.#containers.get(id);
    return container?.status.state === 'CONTAINER_RUNNING' && container.healthy;
  }

  #end(id: string, exitCode: number) {
    const container = this.#containers.get(id);
    if (container?.status.state !== 'CONTAINER_RUNNING') return;
    container.exitTimer?.cancel();
    const reason = exitCode === 0 ? 'Completed' : 'Error';
    this.#change(container, { state: 'CONTAINER_EXITED', finishedAt: this.#nowNs(), exitCode, reason });
    container.ended?.();
    this.#events.emit({ type: 'exited', id, exitCode });
  }

  #change(container: SimulatedContainer, change: Partial<ContainerStatus>) {
    container.status = { ...container.status, ...change };
  }

  #containerOf(id: string): SimulatedContainer {
    const container = this.#containers.get(id);
    if (!container) throw notFoundError('container', id);
    return container;
  }

  #nowNs(): number {
    return this.#options.clock.now() * 1e6;
  }

  #newId(): string {
    return (this.#options.random.uuid() + this.#options.random.uuid()).replaceAll('-', '');
  }
}

function hasLabels(labels: Record<string, string>, wanted: readonly [string, string][]): boolean {
  return wanted.every(([key, value]) => labels[key] === value);
}

function notFoundError(what: string, id: string): RuntimeError {
  return new RuntimeError('NotFound', `an error occurred when try to find ${what} "${id}": not found`);
}

function unimplemented(what: string): RuntimeError {
  return new RuntimeError('Unimplemented', `a simulated container has no ${what}`);
}
