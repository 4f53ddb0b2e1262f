/** Frees disk space by removing images that nothing uses, the longest unused first. */
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { EventRecorder } from '../../client/event-recorder.ts';
import type { Image } from '../cri/messages.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { FilesystemUse } from '../machine.ts';
import type { PulledImages } from './pulled-images.ts';

export interface ImageGcOptions {
  runtime: ContainerRuntime;
  clock: Clock;
  logger: Logger;
  recorder: EventRecorder;
  nodeName: string;
  imageFs: () => Promise<FilesystemUse | undefined>;
  /** When each image was last needed, by id. */
  lastUsedMs: ReadonlyMap<string, number>;
  /** Names of images that volumes of pods show. */
  inVolumes: () => Iterable<string>;
  /** Who pulled which image: what is gone is forgotten there. */
  pulled: Pick<PulledImages, 'prune'>;
  highPercent: number;
  lowPercent: number;
  /** A fresh image may be about to be used. */
  ageMinMs: number;
  /** Unused for longer than this: removed whatever the disk says; never when undefined. */
  ageMaxMs: number | undefined;
}

const everyMs = 5 * 60_000;

export class ImageGc {
  readonly #options: ImageGcOptions;
  readonly #firstSeenMs = new Map<string, number>();

  constructor(options: ImageGcOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    let hasFailed = false;
    while (!signal.aborted) {
      try {
        await this.collect();
        hasFailed = false;
      } catch (error) {
        logger.warn('images could not be collected', { error });
        // Once may be chance: what is told of is that it goes on.
        if (hasFailed) this.#warn('ImageGCFailed', (error as Error).message);
        hasFailed = true;
      }
      await pause(clock, everyMs, signal);
    }
  }

  /** One round by the thresholds. */
  async collect(): Promise<void> {
    const { imageFs, highPercent, lowPercent, pulled, runtime } = this.#options;
    await pulled.prune(async () => new Set((await runtime.listImages()).map(({ id }) => id)));
    const use = await imageFs();
    if (!use || use.capacityBytes === 0) return;
    const usedPercent = 100 - Math.floor((use.availableBytes * 100) / use.capacityBytes);
    await this.#removeAged();
    if (usedPercent < highPercent) return;
    const wantedBytes = Math.ceil((use.capacityBytes * (100 - lowPercent)) / 100) - use.availableBytes;
    const freedBytes = await this.free(wantedBytes);
    if (freedBytes < wantedBytes) {
      const message = `Failed to garbage collect required amount of images. Attempted to free ${wantedBytes} bytes, but only found ${freedBytes} bytes eligible to free.`;
      this.#warn('FreeDiskSpaceFailed', message);
      throw new Error(message);
    }
  }

  /** Removes unused images until so much is freed; gives how much that was. */
  async free(wantedBytes: number): Promise<number> {
    const { clock, ageMinMs } = this.#options;
    const nowMs = clock.now();
    let freedBytes = 0;
    for (const { image, usedMs } of await this.#unused()) {
      if (freedBytes >= wantedBytes) break;
      if (nowMs - usedMs < ageMinMs) continue;
      await this.#remove(image);
      freedBytes += image.size;
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
    for (const { image, usedMs } of unused) if (clock.now() - usedMs > ageMaxMs) await this.#remove(image);
  }

  async #remove(image: Image): Promise<void> {
    this.#options.logger.info('an unused image is removed', {
      image: image.repoTags[0] ?? image.id,
      sizeBytes: image.size,
    });
    await this.#options.runtime.removeImage({ image: image.id });
    this.#firstSeenMs.delete(image.id);
  }

  /** The longest unused first. */
  async #unused(): Promise<{ image: Image; usedMs: number }[]> {
    const { runtime, clock, lastUsedMs } = this.#options;
    const [images, containers, status] = await Promise.all([
      runtime.listImages(),
      runtime.listContainers(),
      runtime.status({ verbose: true }),
    ]);
    const used = new Set([
      ...containers.flatMap(({ imageRef, image }) => [imageRef, image.image]),
      ...this.#options.inVolumes(),
    ]);
    const sandboxImage = sandboxImageOf(status.info);
    const nowMs = clock.now();
    const unused: { image: Image; usedMs: number }[] = [];
    for (const image of images) {
      const names = [image.id, ...image.repoTags, ...image.repoDigests];
      if (!this.#firstSeenMs.has(image.id)) this.#firstSeenMs.set(image.id, nowMs);
      if (image.pinned || names.some((name) => used.has(name) || name === sandboxImage)) continue;
      const usedMs = Math.max(lastUsedMs.get(image.id) ?? 0, this.#firstSeenMs.get(image.id)!);
      unused.push({ image, usedMs });
    }
    return unused.sort((a, b) => a.usedMs - b.usedMs);
  }
}

/** The image that sandboxes are made of, out of the runtime's own configuration. */
function sandboxImageOf(info: Record<string, string>): string | undefined {
  if (!info.config) return undefined;
  return (JSON.parse(info.config) as { sandboxImage?: string }).sandboxImage;
}
