/**
 * Returns memory when a process is idle. V8 collects garbage on allocation; a process that was busy
 * (starting, say) and is then idle would keep what it no longer needs for hours.
 *
 * A collection costs more than its pause: when no request is under way, no object of most shapes is alive, and V8 forgets
 * with the shapes what it compiled for them. The next thousands of requests take twice as long. So a process may keep for a
 * while what a burst of work has made fast; what served the start is given up at once, for it is not done again.
 */
import type { Clock } from '../clock.ts';

const intervalMs = 5_000;
/** Above this share of one core the process is not idle, and V8 collects by itself. */
const idleCpuShare = 0.05;
/** From this share of one core on it is a burst of work, after which the process may be kept fast. */
const burstCpuShare = 0.3;
/** Not worth a collection: about what an idle process allocates in an interval. */
const growthBytesMin = 8 * 1024 * 1024;
/** A full collection of this much in use takes about 0.1 s, in which the process does nothing else. */
const thoroughUsedBytesMax = 64 * 1024 * 1024;

export interface MemoryUse {
  /** Share of one core since the last look. */
  cpuShare: number;
  /** It is not long since a burst of work. */
  isKeptFast: boolean;
  /** All that the heap takes, and the part of it that is in use. */
  heapBytes: number;
  usedBytes: number;
}

export interface ReleaseState {
  /** Of the heap, after the last collection. */
  heapBytes: number;
  /** The process has been busy since its last thorough collection. */
  wasBusy: boolean;
}

/**
 * An ordinary collection keeps emptied pages, and the code of recently used functions; after a burst of work, and only
 * then, a full one releases both.
 */
export function planRelease(last: ReleaseState, use: MemoryUse): 'nothing' | 'ordinary' | 'thorough' {
  if (use.cpuShare >= idleCpuShare || use.isKeptFast) return 'nothing';
  if (use.heapBytes <= last.heapBytes + growthBytesMin) return 'nothing';
  return last.wasBusy && use.usedBytes <= thoroughUsedBytesMax ? 'thorough' : 'ordinary';
}

type Release = 'ordinary' | 'thorough';

/**
 * Gives back what {@link planRelease} says, and keeps in `state` how that left the process. Garbage counts as in use until
 * it is collected: only after an ordinary collection is it known whether a thorough one is quick.
 */
export function release(state: ReleaseState, look: () => MemoryUse, collect: (kind: Release) => void): void {
  const planned = planRelease(state, look());
  if (planned === 'nothing') return;
  collect(planned);
  const isThorough = planned === 'thorough' || planRelease(state, look()) === 'thorough';
  if (isThorough && planned === 'ordinary') collect('thorough');
  state.heapBytes = look().heapBytes;
  if (isThorough) state.wasBusy = false;
}

/** For `keptFastMs` after a burst of work the process keeps its memory; the start, less than an interval, is none. */
export function releaseMemoryWhenIdle(clock: Clock, signal: AbortSignal, keptFastMs: number): void {
  // There with the flag --expose-gc. One that is set later on would keep workers from the compiled code in Node's cache.
  const { gc } = globalThis;
  if (!gc) return;
  const collect = (kind: Release) =>
    gc({ type: 'major', execution: 'sync', flavor: kind === 'thorough' ? 'last-resort' : 'regular' });
  let cpu = process.cpuUsage();
  const state: ReleaseState = { heapBytes: 0, wasBusy: true };
  let isStarting = true;
  let burstAtMs = Number.NEGATIVE_INFINITY;
  const tick = () => {
    if (signal.aborted) return;
    const { user, system } = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    const cpuShare = (user + system) / 1000 / intervalMs;
    if (cpuShare >= idleCpuShare) state.wasBusy = true;
    if (cpuShare >= burstCpuShare && !isStarting) burstAtMs = clock.monotonic();
    isStarting = false;
    const isKeptFast = clock.monotonic() - burstAtMs < keptFastMs;
    const look = () => {
      const { heapTotal, heapUsed } = process.memoryUsage();
      return { cpuShare, isKeptFast, heapBytes: heapTotal, usedBytes: heapUsed };
    };
    release(state, look, collect);
    clock.after(intervalMs, tick);
  };
  clock.after(intervalMs, tick);
}
