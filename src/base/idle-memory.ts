/**
 * Gives memory back when a process has nothing to do. V8 collects garbage when somebody allocates; a process that was busy
 * (starting, say) and is then idle would keep what it no longer needs for hours.
 */
import type { Clock } from './clock.ts';

const intervalMs = 15_000;
/** Above this share of one core the process is not idle, and V8 collects by itself. */
const idleCpuShare = 0.05;
/** Not worth a collection: about what an idle process allocates in an interval. */
const growthBytesMin = 8 * 1024 * 1024;

export function releaseMemoryWhenIdle(clock: Clock, signal: AbortSignal): void {
  // There with the flag --expose-gc. One that is set later on would keep workers from the compiled code in Node's cache.
  const collect = globalThis.gc;
  if (!collect) return;
  let cpu = process.cpuUsage();
  let heapAfterLast = 0;
  const tick = () => {
    if (signal.aborted) return;
    const { user, system } = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    const isIdle = (user + system) / 1000 / intervalMs < idleCpuShare;
    if (isIdle && process.memoryUsage().heapTotal > heapAfterLast + growthBytesMin) {
      collect();
      heapAfterLast = process.memoryUsage().heapTotal;
    }
    clock.after(intervalMs, tick);
  };
  clock.after(intervalMs, tick);
}
