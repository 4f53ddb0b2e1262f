/** Frees disk space by removing unused images, those unused longest first. */
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { Image } from '../cri/messages.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { FilesystemUse } from '../machine.ts';
import type { ImageMetrics } from './image-metrics.ts';
import type { PulledImages } from './pulled-images.ts';
import { sandboxImageOf } from './sandbox-image.ts';

export interface ImageGcOptions {
  runtime: ContainerRuntime;
  clock: Clock;
  logger: Logger;
  recorder: EventRecorder;
  nodeName: string;
  imageFs: () => Promise<FilesystemUse | undefined>;
  /** When each image was last needed, by id. Images that are gone are dropped here. */
  lastUsedMs: Map<string, number>;
  /** Names of images in use by volumes of pods. */
  inVolumes: () => Iterable<string>;
  /** The record of who pulled which image: images that are gone are dropped there. */
  pulled: Pick<PulledImages, 'prune'>;
  metrics: Pick<ImageMetrics, 'collected'>;
  highPercent: number;
  lowPercent: number;
  /** A fresh image may be about to be used. */
  ageMinMs: number;
  /** Unused for longer than this: removed however full the disk is; never when undefined. */
  ageMaxMs: number | undefined;
}

/**
 * An image's age counts from when it was first seen: one that arrived meanwhile must not count as new when the disk is
 * full.
 */
const lookEveryMs = 30_000;
const looksPerRound = 10;

export class ImageGc {
  readonly #options: ImageGcOptions;
  /** By id, for the existing images. */
  #seen = new Map<string, { firstMs: number; usedMs: number }>();

  constructor(options: ImageGcOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    let hasFailed = false;
    for (let look = 0; !signal.aborted; look++) {
      if (look % looksPerRound === 0) hasFailed = await this.#tryCollect({ hasFailed });
      else
        await this.#noteNew().catch((error: unknown) =>
          logger.debug('images could not be listed', { error }),
        );
      await pause(clock, lookEveryMs, signal);
    }
  }

  /** True: the round failed. */
  async #tryCollect({ hasFailed }: { hasFailed: boolean }): Promise<boolean> {
    try {
      await this.collect();
      return false;
    } catch (error) {
      this.#options.logger.warn('images could not be collected', { error });
      // A single failure may be chance: only repeated ones are reported.
      if (hasFailed) this.#warn('ImageGCFailed', (error as Error).message);
      return true;
    }
  }

  async #noteNew(): Promise<void> {
    const { clock, runtime } = this.#options;
    const nowMs = clock.now();
    for (const { id } of await runtime.listImages())
      if (!this.#seen.has(id)) this.#seen.set(id, { firstMs: nowMs, usedMs: nowMs });
  }

  /** One round by the thresholds. */
  async collect(): Promise<void> {
    const { imageFs, highPercent, lowPercent, pulled, runtime } = this.#options;
    await pulled.prune(async () => new Set((await runtime.listImages()).map(({ id }) => id)));
    await this.#removeAged();
    const use = await imageFs();
    if (!use || use.capacityBytes === 0) return;
    const usedPercent = 100 - Math.floor((use.availableBytes * 100) / use.capacityBytes);
    if (usedPercent < highPercent) return;
    const wantedBytes = Math.ceil((use.capacityBytes * (100 - lowPercent)) / 100) - use.availableBytes;
    const freedBytes = await this.free(wantedBytes);
    if (freedBytes < wantedBytes) {
      const message = `Insufficient free disk space on the node's image filesystem (${usedPercent}% of ${formatSize(use.capacityBytes)} used). Failed to free sufficient space by deleting unused images (freed ${freedBytes} bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other data.`;
      this.#warn('FreeDiskSpaceFailed', message);
      throw new Error(message);
    }
  }

  /**
   * Removes unused images until enough is freed; returns how much was. An image that cannot be removed does not hold
   * back the others.
   */
  async free(wantedBytes: number): Promise<number> {
    const { clock, ageMinMs, lastUsedMs } = this.#options;
    const nowMs = clock.now();
    let freedBytes = 0;
    for (const { image, firstMs } of await this.#unused()) {
      if (freedBytes >= wantedBytes) break;
      const neededMs = Math.max(firstMs, lastUsedMs.get(image.id) ?? 0);
      if (nowMs - neededMs >= ageMinMs && (await this.#remove(image, 'space'))) freedBytes += image.size;
    }
    return freedBytes;
  }

  #warn(reason: string, message: string): void {
    const { recorder, nodeName } = this.#options;
    const node = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
    recorder.event(node, 'Warning', reason, message);
  }

  async #removeAged(): Promise<void> {
    const { ageMaxMs, clock } = this.#options;
    const unused = await this.#unused();
    if (ageMaxMs === undefined) return;
    for (const { image, usedMs } of unused)
      if (clock.now() - usedMs > ageMaxMs) await this.#remove(image, 'age');
  }

  /** False: it is still there. */
  async #remove(image: Image, reason: 'space' | 'age'): Promise<boolean> {
    const { logger, runtime, metrics } = this.#options;
    const facts = { image: image.repoTags[0] ?? image.id, sizeBytes: image.size };
    try {
      await runtime.removeImage({ image: image.id });
    } catch (error) {
      logger.warn('an unused image could not be removed', { ...facts, error });
      return false;
    }
    logger.info('an unused image was removed', facts);
    metrics.collected(reason);
    this.#seen.delete(image.id);
    return true;
  }

  /** Those unused longest first. Images in use are marked as needed now. */
  async #unused(): Promise<{ image: Image; firstMs: number; usedMs: number }[]> {
    const { runtime, clock, lastUsedMs } = this.#options;
    const [images, isUsed] = await Promise.all([runtime.listImages(), this.#usedNames()]);
    const nowMs = clock.now();
    const seen = new Map<string, { firstMs: number; usedMs: number }>();
    const unused = [];
    for (const image of images) {
      const { firstMs, usedMs: before } = this.#seen.get(image.id) ?? { firstMs: nowMs, usedMs: nowMs };
      const names = [image.id, ...image.repoTags, ...image.repoDigests];
      const isInUse = names.some(isUsed);
      const usedMs = isInUse ? nowMs : Math.max(before, lastUsedMs.get(image.id) ?? 0);
      seen.set(image.id, { firstMs, usedMs });
      if (!image.pinned && !isInUse) unused.push({ image, firstMs, usedMs });
    }
    this.#seen = seen;
    // An image that arrived since the list is first seen by the next round.
    for (const id of lastUsedMs.keys()) if (!seen.has(id)) lastUsedMs.delete(id);
    return unused.sort((a, b) => a.usedMs - b.usedMs);
  }

  async #usedNames(): Promise<(name: string) => boolean> {
    const { runtime, inVolumes } = this.#options;
    const [containers, sandboxImage] = await Promise.all([runtime.listContainers(), sandboxImageOf(runtime)]);
    const used = new Set([
      ...containers.flatMap(({ imageRef, image }) => [imageRef, image.image]),
      ...inVolumes(),
    ]);
    return (name) => used.has(name) || name === sandboxImage;
  }
}

const sizeUnits = ['KiB', 'MiB', 'GiB', 'TiB'];

/** `99.5 GiB` */
function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), sizeUnits.length);
  return `${(bytes / 1024 ** power).toFixed(1)} ${sizeUnits[power - 1]}`;
}
