/** Protects the node: when it runs short of a resource, pods are evicted in upstream's order. */
import { pause } from '../../base/clock.ts';
import type { KubeletContext } from '../context.ts';
import type { ContainerStats } from '../cri/messages.ts';
import type { ImageGc } from '../images/image-gc.ts';
import type { MachineUsage } from '../machine.ts';
import type { NodeRegistration } from '../node/node-registration.ts';
import type { NodeReporter } from '../node/node-reporter.ts';
import { type Eviction, specifiedGraceSeconds } from '../pod/end/pod-end.ts';
import { removeEnded } from '../pod/end/pod-leftovers.ts';
import { measurePodDisk } from '../pod/pod-disk-use.ts';
import { podEvents } from '../pod/pod-events.ts';
import { labels } from '../pod/pod-observation.ts';
import type { PodSet } from '../pod/pod-set.ts';
import type { PodWorker } from '../pod/pod-worker.ts';
import { isCriticalPod } from '../resources/qos.ts';
import {
  countedDiskUse,
  evictionAnnotations,
  evictionGraceSeconds,
  evictionMessage,
  immediateGraceSeconds,
  isOfImages,
  metThresholds,
  type Observation,
  observe,
  type PodsMemory,
  type PodUse,
  pressureOf,
  rankForEviction,
  resourceOf,
  type Signal,
  type Threshold,
} from './eviction-plan.ts';
import { exceededLimit, hasStorageLimits } from './local-storage.ts';

export interface EvictionOptions {
  context: KubeletContext;
  pods: PodSet;
  reporter: NodeReporter;
  registration: NodeRegistration;
  imageGc: ImageGc;
  /** The kubelet's folder, where emptyDirs are. */
  rootDir: string;
  /** The limits of the control group of all pods. */
  podsMemoryMaxBytes: number;
  thresholds: readonly Threshold[];
  /** How long a pressure condition stays after its cause is gone. */
  pressureStaysMs: number;
}

interface Annotated {
  /** The time for the event. */
  annotations?: Record<string, string>;
}

const everyMs = 10_000;
/** Under pressure, checks are more frequent. */
const pressedMs = 2_000;
/** The next pod is evicted only after the last one has ended, or has had this long to end. */
const evictedEndsMs = 30_000;

export class EvictionManager {
  readonly #options: EvictionOptions;
  /** When each threshold was first met. */
  readonly #metSinceMs = new Map<Threshold, number>();
  readonly #lastMetMs = new Map<Signal, number>();
  /** Thresholds for which something is being reclaimed. */
  readonly #acting = new Set<Threshold>();

  constructor(options: EvictionOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options.context;
    while (!signal.aborted) {
      let waitMs = everyMs;
      try {
        if (await this.look()) waitMs = pressedMs;
      } catch (error) {
        if (!signal.aborted) logger.warn('the node could not be checked for pressure', { error });
      }
      await pause(clock, waitMs, signal);
    }
  }

  /** One check; true when something was done about a shortage. */
  async look(): Promise<boolean> {
    const { context, reporter, registration, thresholds } = this.#options;
    const measuredMs = context.clock.monotonic();
    const usage = await context.machine.usage();
    const observed = observe(usage, context.memoryCapacityBytes, await this.#podsMemory());
    const met = metThresholds(thresholds, observed, (threshold) => this.#acting.has(threshold));
    this.#note(met);
    const before = JSON.stringify(reporter.pressure);
    reporter.pressure = pressureOf(this.#pressed());
    if (before !== JSON.stringify(reporter.pressure)) registration.refresh();
    if (await this.#enforceStorageLimits()) return true;
    const nowMs = context.clock.monotonic();
    const acting = met.find(
      (threshold) => nowMs - this.#metSinceMs.get(threshold)! >= (threshold.graceMs ?? 0),
    );
    if (!acting) return false;
    this.#acting.add(acting);
    this.#report(acting.signal);
    if (isOfImages(acting.signal, usage) && (await this.#reclaimDisk())) return true;
    // As upstream: for every threshold that is met.
    for (const { signal } of met)
      context.counts.evictionDecided(signal, (context.clock.monotonic() - measuredMs) / 1000);
    return this.#evictOne(acting, { ...observed.get(acting.signal)!, usage });
  }

  async #podsMemory(): Promise<PodsMemory | undefined> {
    const { context, podsMemoryMaxBytes: maxBytes } = this.#options;
    const usage = await context.machine.cgroups.podsUsage();
    return usage && { usedBytes: usage.memoryWorkingSetBytes, maxBytes };
  }

  #report(signal: Signal): void {
    const { context } = this.#options;
    const { nodeName } = context.node();
    const target = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
    const message = `Attempting to reclaim ${resourceOf(signal)}`;
    context.recorder.event(target, 'Warning', 'EvictionThresholdMet', message);
  }

  #note(met: readonly Threshold[]): void {
    const nowMs = this.#options.context.clock.monotonic();
    for (const threshold of this.#metSinceMs.keys())
      if (!met.includes(threshold)) {
        this.#metSinceMs.delete(threshold);
        this.#acting.delete(threshold);
      }
    for (const threshold of met) {
      if (!this.#metSinceMs.has(threshold)) this.#metSinceMs.set(threshold, nowMs);
      this.#lastMetMs.set(threshold.signal, nowMs);
    }
  }

  #pressed(): Signal[] {
    const { context, pressureStaysMs } = this.#options;
    const nowMs = context.clock.monotonic();
    return [...this.#lastMetMs]
      .filter(([, atMs]) => nowMs - atMs < pressureStaysMs)
      .map(([signal]) => signal);
  }

  /**
   * Remains of ended containers and unused images go before pods do. True when something was removed: the runtime frees
   * the space a moment later, so only the next measurement shows whether that was enough.
   */
  async #reclaimDisk(): Promise<boolean> {
    const { context, imageGc, pods } = this.#options;
    let removed = 0;
    for (const worker of pods.workers())
      removed += await removeEnded(context, worker.observed, { isOver: worker.isDone });
    const freedBytes = await imageGc.free(Number.POSITIVE_INFINITY);
    return removed > 0 || freedBytes > 0;
  }

  async #evictOne(
    threshold: Threshold,
    observation: Observation & { usage: MachineUsage },
  ): Promise<boolean> {
    const { pods, context } = this.#options;
    const uses: PodUse[] = [];
    for (const worker of pods.workers()) {
      if (worker.isTerminating || !worker.isAdmitted || worker.isStatic) continue;
      uses.push(await this.#useOf(worker, threshold.signal, observation.usage));
    }
    const [first] = rankForEviction(threshold.signal, uses);
    if (!first) return false;
    const message = evictionMessage(threshold, observation, first);
    const worker = pods.find(first.pod.metadata.uid);
    if (!worker) return false;
    this.#evict(worker, threshold.signal, {
      message,
      annotations: evictionAnnotations(threshold.signal, first),
      graceSeconds: evictionGraceSeconds(threshold, specifiedGraceSeconds(worker.pod)),
      disruption: { reason: 'TerminationByKubelet', message },
    });
    await Promise.race([worker.done(), context.clock.sleep(evictedEndsMs, context.signal)]);
    return true;
  }

  #evict(
    worker: PodWorker,
    signal: string,
    { annotations = {}, ...eviction }: Omit<Eviction, 'reason'> & { message: string } & Annotated,
  ): void {
    const { recorder, counts } = this.#options.context;
    podEvents(recorder.annotated(annotations), worker.pod).warning('Evicted', eviction.message);
    counts.evicted(signal);
    worker.evict({ reason: 'Evicted', ...eviction });
  }

  async #useOf(worker: PodWorker, signal: Signal, node: MachineUsage): Promise<PodUse> {
    const stats = await this.#statsOf(worker);
    const disk = await this.#diskUse(worker, stats);
    const usage = await this.#options.context.machine.cgroups.podUsage(worker.uid);
    const counted = countedDiskUse(signal, disk, node);
    const memory = new Map(
      stats.map(({ attributes, memory: own }) => [
        attributes.labels[labels.containerName] ?? '',
        own?.workingSetBytes?.value ?? 0,
      ]),
    );
    const containers = [...disk.containers].map(
      ([name, { rootfs, logs }]) =>
        [name, { memoryBytes: memory.get(name) ?? 0, diskBytes: rootfs.bytes + logs.bytes }] as const,
    );
    return {
      pod: worker.pod,
      memoryBytes: usage?.memoryWorkingSetBytes ?? 0,
      pids: usage?.pids ?? 0,
      diskBytes: counted.bytes,
      inodes: counted.inodes,
      containers: new Map(containers),
    };
  }

  async #enforceStorageLimits(): Promise<boolean> {
    let evicted = false;
    for (const worker of this.#options.pods.workers()) {
      if (worker.isTerminating || !worker.isAdmitted || isCriticalPod(worker.pod)) continue;
      if (!hasStorageLimits(worker.pod)) continue;
      const exceeded = exceededLimit(worker.pod, await this.#diskUse(worker, await this.#statsOf(worker)));
      if (!exceeded) continue;
      // Not a disruption: the pod itself is to blame.
      const { signal, message } = exceeded;
      this.#evict(worker, signal, { message, graceSeconds: immediateGraceSeconds });
      evicted = true;
    }
    return evicted;
  }

  #statsOf(worker: PodWorker): Promise<ContainerStats[]> {
    return this.#options.context.runtime.listContainerStats({
      labelSelector: { [labels.podUid]: worker.uid },
    });
  }

  async #diskUse({ pod, observed }: PodWorker, stats: readonly ContainerStats[]) {
    const { rootDir, context } = this.#options;
    const writableLayers = await context.machine.files.writableLayers();
    return measurePodDisk({ rootDir, pod, observed, stats, writableLayers });
  }
}
