/** `/stats/summary`: adds what only its clients need, and what takes longer to determine. */
import { wholeValueOf } from '../../../api/quantities/quantity.ts';
import { kubeletSettings } from '../../configuration/configuration.ts';
import type { Kubelet } from '../../kubelet.ts';
import type { CgroupUsage, GroupDetails } from '../../machine.ts';
import { podsMemoryMaxBytes } from '../../node/node-resources.ts';
import type { PodWorker } from '../../pod/pod-worker.ts';
import { DiskStats } from './disk-stats.ts';
import {
  type ContainerSample,
  type PodSample,
  type StatsCollector,
  type Summary,
  withPressures,
} from './stats-summary.ts';
import { nodeTraffic, podTraffic } from './traffic-stats.ts';
import type { VolumeStats } from './volume-stats.ts';

export class FullSummary {
  readonly #kubelet: Kubelet;
  readonly #stats: StatsCollector;
  readonly #volumes: VolumeStats;
  readonly #disk: DiskStats;
  #podsMaxBytes: Promise<number> | undefined;

  constructor(kubelet: Kubelet, { stats, volumes }: { stats: StatsCollector; volumes: VolumeStats }) {
    this.#kubelet = kubelet;
    this.#stats = stats;
    this.#volumes = volumes;
    this.#disk = new DiskStats(kubelet);
  }

  async full(): Promise<Summary> {
    const summary = await this.#stats.summary();
    const [node, pods] = await Promise.all([this.#node(summary.node), this.#disk.complete(summary)]);
    return { node, pods: await Promise.all(pods.map((pod) => this.#pod(pod))) };
  }

  async #node(node: Summary['node']): Promise<Summary['node']> {
    const { machine, runtime } = this.#kubelet.context;
    const [network, images, pods, podsMaxBytes] = await Promise.all([
      nodeTraffic(this.#kubelet),
      runtime.imageFsInfo(),
      machine.cgroups.podsUsage(),
      this.#podsMemoryMax(),
    ]);
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    // What the runtime stores there, not everything on the same file system.
    const imageFs = node.runtime?.imageFs && {
      ...node.runtime.imageFs,
      usedBytes: sum(images.map(({ usedBytes }) => usedBytes?.value ?? 0)),
      inodesUsed: sum(images.map(({ inodesUsed }) => inodesUsed?.value ?? 0)),
    };
    return {
      ...node,
      ...(pods && { systemContainers: [podsSample(pods, podsMaxBytes, node)] }),
      ...(imageFs && { runtime: { imageFs, containerFs: imageFs } }),
      ...(network && { network }),
    };
  }

  /** The limit of all pods together; once known, it stays for the life of the agent. */
  #podsMemoryMax(): Promise<number> {
    const { context, configuration } = this.#kubelet;
    const settings = kubeletSettings(configuration);
    this.#podsMaxBytes ??= context.machine
      .facts()
      .then((facts) => podsMemoryMaxBytes(facts, settings))
      .catch((error: unknown) => {
        this.#podsMaxBytes = undefined;
        throw error;
      });
    return this.#podsMaxBytes;
  }

  async #pod(pod: PodSample): Promise<PodSample> {
    const { uid } = pod.podRef;
    const worker = this.#kubelet.pods.find(uid);
    const [network, volume, containers] = await Promise.all([
      podTraffic(this.#kubelet, uid),
      worker ? this.#volumes.ofPod(worker) : [],
      Promise.all(pod.containers.map((container) => this.#container(worker, container))),
    ]);
    return { ...pod, containers, ...(network && { network }), ...(volume.length > 0 && { volume }) };
  }

  async #container(worker: PodWorker | undefined, container: ContainerSample): Promise<ContainerSample> {
    const running = worker?.observed.containers.find(
      ({ name, state }) => name === container.name && state === 'running',
    );
    if (!worker || !running) return container;
    const { containers, initContainers = [] } = worker.grantedPod.spec;
    const spec = [...containers, ...initContainers].find(({ name }) => name === container.name);
    const limit = spec?.resources?.limits?.memory;
    const found = await this.#kubelet.context.machine.cgroups.containerDetails(worker.uid, running.id);
    return withDetails(container, found?.details, limit === undefined ? undefined : wholeValueOf(limit));
  }
}

/** All pods together appear as a separately named part of the node. */
function podsSample(usage: CgroupUsage, maxBytes: number, { startTime, memory: { time } }: Summary['node']) {
  return withPressures(usage.pressures, {
    name: 'pods',
    startTime,
    cpu: { time, usageCoreNanoSeconds: usage.cpuUsageNanoSeconds },
    memory: {
      time,
      availableBytes: Math.max(0, maxBytes - usage.memoryWorkingSetBytes),
      usageBytes: usage.memoryUsageBytes,
      workingSetBytes: usage.memoryWorkingSetBytes,
      rssBytes: usage.memoryRssBytes,
      pageFaults: usage.pageFaults,
      majorPageFaults: usage.majorPageFaults,
    },
    swap: { time, swapUsageBytes: usage.swapBytes },
  });
}

export function withDetails(
  container: ContainerSample,
  details: GroupDetails | undefined,
  memoryLimitBytes: number | undefined,
): ContainerSample {
  const { memory } = container;
  const availableBytes =
    memoryLimitBytes === undefined
      ? undefined
      : Math.max(0, memoryLimitBytes - (memory.workingSetBytes ?? 0));
  const sample = {
    ...container,
    memory: {
      ...memory,
      ...(availableBytes !== undefined && { availableBytes }),
      ...(details && { pageFaults: details.pageFaults, majorPageFaults: details.majorPageFaults }),
    },
    ...(details && { swap: { time: memory.time, swapUsageBytes: details.swapBytes } }),
  };
  return withPressures(details?.pressures, sample);
}
