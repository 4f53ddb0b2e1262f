/** When a process that ended may be restarted, and how often it has been. */
import { leastOf } from '../../base/least-of.ts';

export interface RestartHistory {
  /** Since the cluster was last brought up from nothing. */
  count: number;
  /** Consecutive restarts after each of which the process lived for less than `steadyMs`. */
  streak: number;
  /** Of the last restart, milliseconds since the epoch. */
  atMs: number;
}

/** By the name of the process: `server`, or `NODE/agent`, `NODE/containerd`, `NODE/holder`. */
export type RestartHistories = Readonly<Record<string, RestartHistory>>;

export interface RestartPlan {
  due: string[];
  /** With the restarts that are due. */
  histories: RestartHistories;
  /** Until the next of the others is due; undefined when there are none. */
  waitMs: number | undefined;
}

/** A process that lived this long is not one that cannot start. */
export const steadyMs = 60_000;
const delayMinMs = 1000;
const delayMaxMs = 30_000;

/**
 * The first restart is immediate; the delay doubles with each process that does not last, counted from restart to
 * restart.
 */
export function planRestarts(dead: readonly string[], known: RestartHistories, nowMs: number): RestartPlan {
  const due: string[] = [];
  const histories: Record<string, RestartHistory> = { ...known };
  let waitMs: number | undefined;
  for (const name of dead) {
    const last = known[name];
    const streak = last && nowMs - last.atMs < steadyMs ? last.streak : 0;
    // However the clock jumps, nothing waits longer than its delay.
    const leftMs = last ? Math.min(delayMs(streak), last.atMs + delayMs(streak) - nowMs) : 0;
    if (leftMs > 0) {
      waitMs = leastOf(waitMs, leftMs);
      continue;
    }
    due.push(name);
    histories[name] = { count: (last?.count ?? 0) + 1, streak: streak + 1, atMs: nowMs };
  }
  return { due, histories, waitMs };
}

function delayMs(streak: number): number {
  return streak === 0 ? 0 : Math.min(delayMinMs * 2 ** (streak - 1), delayMaxMs);
}
