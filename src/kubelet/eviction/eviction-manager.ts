/** Keeps the node itself alive: when it runs short of something, pods go, in upstream's order. */
import { join } from 'node:path';
import type { KubeletContext } from '../context.ts';
import type { ImageGc } from '../images/image-gc.ts';
import type { NodeRegistration } from '../node/node-registration.ts';
import type { NodeReporter } from '../node/node-reporter.ts';
import { podEvents } from '../pod-events.ts';
import { labels } from '../pod-observation.ts';
import type { PodSet } from '../pod-set.ts';
import type { PodWorker } from '../pod-worker.ts';
import {
  defaultThresholds,
  evictionMessage,
  metThresholds,
  observe,
  type PodUse,
  pressureOf,
  rankForEviction,
  type Signal,
  type Threshold,
} from './eviction-plan.ts';
import { diskUsage, exceededLimit, hasStorageLimits } from './local-storage.ts';

export interface EvictionOptions {
  context: KubeletContext;
  pods: PodSet;
  reporter: NodeReporter;
  registration: NodeRegistration;
  imageGc: ImageGc;
  /** The kubelet's folder, where emptyDirs are. */
  rootDir: string;
  thresholds?: readonly Threshold[];
  /** How long a pressure condition stays after its cause has gone; five minutes unless set. */
  pressureStaysMs?: number;
}

const everyMs = 10_000;
/** While pressed, the next look comes sooner. */
const pressedMs = 2_000;

export class EvictionManager {
  readonly #options: EvictionOptions;
  /** Since when each threshold is met. */
  readonly #metSinceMs = new Map<Threshold, number>();
  readonly #lastMetMs = new Map<Signal, number>();

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
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** One look; true when a pod was evicted. */
  async look(): Promise<boolean> {
    const { context, reporter, registration } = this.#options;
    if (await this.#enforceStorageLimits()) return true;
    const observed = observe(await context.machine.usage(), context.memoryCapacityBytes);
    const thresholds = this.#options.thresholds ?? defaultThresholds;
    const met = metThresholds(thresholds, observed);
    this.#note(met);
    const before = JSON.stringify(reporter.pressure);
    reporter.pressure = pressureOf(this.#pressed());
    if (before !== JSON.stringify(reporter.pressure)) registration.refresh();
    const nowMs = context.clock.monotonic();
    const acting = met.find(
      (threshold) => nowMs - this.#metSinceMs.get(threshold)! >= (threshold.graceMs ?? 0),
    );
    if (!acting) return false;
    if (acting.signal.includes('fs.') && (await this.#reclaimDisk(acting))) return false;
    return this.#evictOne(acting, observed.get(acting.signal)!);
  }

  #note(met: readonly Threshold[]): void {
    const nowMs = this.#options.context.clock.monotonic();
    for (const threshold of this.#metSinceMs.keys())
      if (!met.includes(threshold)) this.#metSinceMs.delete(threshold);
    for (const threshold of met) {
      if (!this.#metSinceMs.has(threshold)) this.#metSinceMs.set(threshold, nowMs);
      this.#lastMetMs.set(threshold.signal, nowMs);
    }
  }

  #pressed(): Signal[] {
    const { context, pressureStaysMs = 5 * 60_000 } = this.#options;
    const nowMs = context.clock.monotonic();
    return [...this.#lastMetMs]
      .filter(([, atMs]) => nowMs - atMs < pressureStaysMs)
      .map(([signal]) => signal);
  }

  /** Unused images go before pods do. True when that was enough. */
  async #reclaimDisk(threshold: Threshold): Promise<boolean> {
    const { context, imageGc } = this.#options;
    const freed = await imageGc.free(Number.POSITIVE_INFINITY);
    if (freed === 0) return false;
    const observed = observe(await context.machine.usage(), context.memoryCapacityBytes);
    return metThresholds([threshold], observed).length === 0;
  }

  async #evictOne(
    threshold: Threshold,
    observation: { available: number; capacity: number },
  ): Promise<boolean> {
    const { pods, context } = this.#options;
    const nodeName = context.node().nodeName;
    const target = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
    const resource =
      threshold.signal === 'memory.available'
        ? 'memory'
        : threshold.signal === 'pid.available'
          ? 'pids'
          : 'ephemeral-storage';
    context.recorder.event(target, 'Warning', 'EvictionThresholdMet', `Attempting to reclaim ${resource}`);
    const uses: PodUse[] = [];
    for (const worker of pods.workers()) {
      if (worker.isTerminating || !worker.isAdmitted || worker.isStatic) continue;
      uses.push(await this.#useOf(worker));
    }
    const [first] = rankForEviction(threshold.signal, uses);
    if (!first) return false;
    const message = evictionMessage(threshold, observation, first);
    this.#evict(pods.find(first.pod.metadata.uid)!, message, threshold.podGraceSeconds ?? 0);
    return true;
  }

  #evict(worker: PodWorker, message: string, graceSeconds: number): void {
    podEvents(this.#options.context.recorder, worker.pod).warning('Evicted', message);
    const disruption = { reason: 'TerminationByKubelet', message };
    worker.evict({ reason: 'Evicted', message, graceSeconds, disruption });
  }

  async #useOf(worker: PodWorker): Promise<PodUse> {
    const usage = await this.#options.context.machine.cgroups.podUsage(worker.uid);
    const disk = await this.#diskUse(worker);
    const diskBytes = [...disk.emptyDirs.values(), ...disk.containers.values()].reduce(
      (sum, bytes) => sum + bytes,
      0,
    );
    return {
      pod: worker.pod,
      memoryBytes: usage?.memoryWorkingSetBytes ?? 0,
      pids: usage?.pids ?? 0,
      diskBytes,
    };
  }

  async #enforceStorageLimits(): Promise<boolean> {
    let evicted = false;
    for (const worker of this.#options.pods.workers()) {
      if (worker.isTerminating || !worker.isAdmitted || !hasStorageLimits(worker.pod)) continue;
      const message = exceededLimit(worker.pod, await this.#diskUse(worker));
      if (message === undefined) continue;
      this.#evict(worker, message, 1);
      evicted = true;
    }
    return evicted;
  }

  async #diskUse(worker: PodWorker) {
    const { context, rootDir } = this.#options;
    const emptyDirs = new Map<string, number>();
    for (const { name, emptyDir } of worker.pod.spec.volumes ?? []) {
      if (!emptyDir || emptyDir.medium === 'Memory') continue;
      const folder = join(rootDir, 'pods', worker.uid, 'volumes', 'kubernetes.io~empty-dir', name);
      emptyDirs.set(name, await diskUsage(folder));
    }
    const containers = new Map<string, number>();
    const stats = await context.runtime.listContainerStats({
      labelSelector: { [labels.podUid]: worker.uid },
    });
    for (const { attributes, writableLayer } of stats)
      containers.set(attributes.labels[labels.containerName] ?? '', writableLayer?.usedBytes?.value ?? 0);
    for (const { name, logPath } of worker.observed.containers)
      if (logPath) containers.set(name, (containers.get(name) ?? 0) + (await diskUsage(logPath)));
    return { emptyDirs, containers };
  }
}
