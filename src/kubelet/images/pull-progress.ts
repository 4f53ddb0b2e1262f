/** Tells, by events on the waiting pod, how far a pull is that takes long. */
import { type Clock, pause } from '../../base/clock.ts';
import type { Download } from '../cri/containerd/containerd-downloads.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { ContainerEvents } from '../pod/pod-events.ts';

export interface PullProgressOptions {
  runtime: Pick<ContainerRuntime, 'downloads'>;
  clock: Clock;
  events: ContainerEvents;
  /** As the container states it. */
  image: string;
  /** How many images are being pulled now. */
  pulls(): number;
}

/**
 * The first event comes after ten seconds, and each gap is twice the one before: a client sees at most one event of its
 * kind in five minutes for as long as it takes, which no limit on events cuts off.
 */
const gap = { firstMs: 10_000, maxMs: 300_000 };

/** Until the signal aborts. Where the runtime does not tell how much has arrived, only the time is told. */
export async function reportPullProgress(
  { runtime, clock, events, image, pulls }: PullProgressOptions,
  signal: AbortSignal,
): Promise<void> {
  const downloads = () => runtime.downloads().catch(() => undefined);
  const startMs = clock.monotonic();
  const received = new ReceivedBytes((await downloads()) ?? []);
  for (let gapMs = gap.firstMs; ; gapMs = Math.min(gap.maxMs, 2 * gapMs)) {
    await pause(clock, gapMs, signal);
    if (signal.aborted) return;
    const present = await downloads();
    if (signal.aborted) return;
    const seconds = Math.round((clock.monotonic() - startMs) / 1000);
    const message = `Still pulling image "${image}" after ${seconds}s`;
    const size = present && formatSize(received.add(present));
    const count = pulls();
    const shared = count > 1 ? ` for ${count} images together` : '';
    events.normal('PullProgress', size === undefined ? message : `${message}: ${size} received${shared}`);
  }
}

/** Adds up what has arrived since the beginning, complete parts included, which the runtime lists no longer. */
class ReceivedBytes {
  /** Parts of an earlier attempt, which this one continues. */
  readonly #before: ReadonlyMap<string, number>;
  readonly #parts = new Map<string, Download>();

  constructor(before: readonly Download[]) {
    this.#before = new Map(before.map(({ ref, receivedBytes }) => [ref, receivedBytes]));
  }

  add(downloads: readonly Download[]): number {
    const present = new Set(downloads.map(({ ref }) => ref));
    for (const [ref, part] of this.#parts)
      if (!present.has(ref)) this.#parts.set(ref, { ...part, receivedBytes: fullSize(part) });
    for (const download of downloads) this.#parts.set(download.ref, download);
    let sum = 0;
    for (const { ref, receivedBytes } of this.#parts.values())
      sum += Math.max(0, receivedBytes - (this.#before.get(ref) ?? 0));
    return sum;
  }
}

/** Registries need not tell the total. */
function fullSize({ receivedBytes, totalBytes }: Download): number {
  return Math.max(receivedBytes, totalBytes);
}

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

/** As container tools show it: `12.3MB`. */
export function formatSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)}${units[unit]}`;
}
