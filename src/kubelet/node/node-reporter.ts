/** Observes the machine and the runtime, and reports the state of the node. */
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { Image, RuntimeHandler, RuntimeStatus } from '../cri/messages.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { Machine, MachineFacts } from '../machine.ts';
import type { NodeReport } from './node-registration.ts';
import type { NodeResources } from './node-resources.ts';

export interface NodeReporterOptions {
  clock: Clock;
  logger: Logger;
  facts: MachineFacts;
  machine: Machine;
  runtime: ContainerRuntime;
  /** `containerd://1.6.20`. */
  runtimeVersion: string;
  nodeName: string;
  nodeIps: readonly string[];
  kubeletPort: number;
  version: string;
  resources: () => NodeResources;
  volumesInUse: () => string[];
  /** The last known status of the runtime. */
  runtimeStatus: RuntimeStatus;
}

export interface Pressure {
  memoryPressure: boolean;
  diskPressure: boolean;
  pidPressure: boolean;
}

/** Upstream's figures. */
const imagesMax = 50;
const namesMax = 5;
/** How long a runtime that is busy or restarting may be silent before the node counts as not ready. */
const silenceMaxMs = 30_000;

/**
 * The images in a node's status, the largest first. A runtime lists them in no particular order: images of equal size
 * are ordered by id, so that the same images give the same status.
 */
export function nodeImages(images: readonly Image[]): core.ContainerImage[] {
  return images
    .toSorted((a, b) => b.size - a.size || (a.id < b.id ? 1 : -1))
    .slice(0, imagesMax)
    .map(({ repoTags, repoDigests, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, namesMax),
      sizeBytes: size,
    }));
}

export class NodeReporter {
  readonly #options: NodeReporterOptions;
  /** Set by the eviction manager. */
  pressure: Pressure = { memoryPressure: false, diskPressure: false, pidPressure: false };
  #runtimeStatus: RuntimeStatus;
  #images: core.ContainerImage[] = [];
  #answeredMs: number;
  /** Why the runtime did not answer the last time. */
  #silence: string | undefined;
  #network: string | undefined = 'container runtime status check may not have completed yet';

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    this.#runtimeStatus = options.runtimeStatus;
    this.#answeredMs = options.clock.monotonic();
  }

  /** Whether the runtime supports a policy for supplemental groups. */
  get hasStrictGroups(): boolean {
    return this.#runtimeStatus.features?.supplementalGroupsPolicy ?? false;
  }

  get runtimeHandlers(): readonly RuntimeHandler[] {
    return this.#runtimeStatus.handlers;
  }

  /** Whether this handler of the runtime can make mounts read-only recursively. */
  hasRecursiveReadOnly(runtimeHandler: string): boolean {
    return this.#runtimeStatus.handlers.some(
      ({ name, recursiveReadOnlyMounts }) => name === runtimeHandler && recursiveReadOnlyMounts,
    );
  }

  /** Why pods cannot get their network; undefined: they can. */
  get networkProblem(): string | undefined {
    return this.#network;
  }

  async report(): Promise<NodeReport> {
    const { facts, resources, kubeletPort, runtimeVersion, version } = this.#options;
    await this.#askRuntime();
    const status = this.#runtimeStatus;
    const problems = [...this.#silenceProblems(), ...this.#runtimeProblems(status)];
    return {
      health: { ...this.pressure, problems },
      addresses: this.#addresses(),
      ...resources(),
      kubeletPort,
      images: this.#images,
      volumesInUse: this.#options.volumesInUse(),
      runtimeHandlers: status.handlers.map(({ name, recursiveReadOnlyMounts, userNamespaces }) => ({
        name,
        features: { recursiveReadOnlyMounts, userNamespaces },
      })),
      ...(status.features && { features: status.features }),
      nodeInfo: {
        architecture: facts.architecture,
        bootID: facts.bootId,
        containerRuntimeVersion: runtimeVersion,
        kernelVersion: facts.kernelVersion,
        kubeProxyVersion: '',
        kubeletVersion: version,
        machineID: facts.machineId,
        operatingSystem: 'linux',
        osImage: facts.osImage,
        systemUUID: facts.systemUuid,
        ...(facts.swapBytes > 0 && { swap: { capacity: facts.swapBytes } }),
      },
    };
  }

  /** While it does not answer, its last status counts. */
  async #askRuntime(): Promise<void> {
    const { runtime, clock, logger } = this.#options;
    try {
      this.#runtimeStatus = await runtime.status();
      this.#answeredMs = clock.monotonic();
    } catch (error) {
      this.#silence = messageOf(error);
      logger.warn('the container runtime does not say how it is', { error });
      return;
    }
    try {
      this.#images = nodeImages(await runtime.listImages());
    } catch (error) {
      logger.warn('the images cannot be listed', { error });
    }
  }

  #silenceProblems(): string[] {
    const silentMs = this.#options.clock.monotonic() - this.#answeredMs;
    return silentMs < silenceMaxMs ? [] : [`container runtime is down: ${this.#silence}`];
  }

  #runtimeProblems(status: RuntimeStatus): string[] {
    const problems: string[] = [];
    const condition = (type: string) => status.conditions.find((candidate) => candidate.type === type);
    const describe = (name: string) => {
      const found = condition(name);
      return `${name}=${found?.status ?? false} reason:${found?.reason ?? ''} message:${found?.message ?? ''}`;
    };
    if (!condition('RuntimeReady')?.status)
      problems.push(`container runtime not ready: ${describe('RuntimeReady')}`);
    const hasNetwork = condition('NetworkReady')?.status ?? false;
    this.#network = hasNetwork
      ? undefined
      : `container runtime network not ready: ${describe('NetworkReady')}`;
    if (this.#network) problems.push(this.#network);
    return problems;
  }

  #addresses(): core.NodeAddress[] {
    const { nodeIps, nodeName } = this.#options;
    return [
      ...nodeIps.map((address) => ({ type: 'InternalIP' as const, address })),
      { type: 'Hostname', address: nodeName },
    ];
  }
}
