/** Waits until a process or a node is ready. */
import { Failure } from '../failure.ts';
import { isRunning, type ProcessIdentity } from '../processes/process.ts';
import { waitFor } from '../wait-for.ts';

const pollMs = 20;

/** Times of the API have no fractions. */
export const thisSecond = () => Math.floor(Date.now() / 1000) * 1000;

/** What is stored of a node may be of an earlier life: `mustBeFresh` says which must have said it since. */
export function readyNodes(
  nodeList: string,
  since = { ms: 0, mustBeFresh: (_: string): boolean => false },
): Set<string> {
  const { items } = JSON.parse(nodeList) as { items: NodeFacts[] };
  const ready = items.filter((node) =>
    node.status?.conditions?.some(
      (condition) =>
        condition.type === 'Ready' &&
        condition.status === 'True' &&
        (!since.mustBeFresh(node.metadata.name) || Date.parse(condition.lastHeartbeatTime ?? '') >= since.ms),
    ),
  );
  return new Set(ready.map((node) => node.metadata.name));
}

export function registeredNodes(nodeList: string): Set<string> {
  const { items } = JSON.parse(nodeList) as { items: NodeFacts[] };
  return new Set(items.map((node) => node.metadata.name));
}

interface NodeFacts {
  metadata: { name: string };
  status?: { conditions?: { type: string; status: string; lastHeartbeatTime?: string }[] };
}

export interface Expectation {
  /** What is wrong when the condition does not come true, e.g. `the API server is not ready`. */
  problem: string;
  condition(): Promise<true | undefined>;
  /** The process that is waited for, and its log. */
  process: ProcessIdentity;
  logFile: string;
  /** Where the output of this process begins in it. */
  logStart?: number | undefined;
  limitMs: number;
}

/** @throws Failure when the process ends first, or the time is over */
export async function expectWithin(expectation: Expectation): Promise<void> {
  const { problem, condition, process, logFile, logStart, limitMs } = expectation;
  let ended = false;
  const held = await waitFor(
    async () => {
      if (await condition()) return true;
      ended = !isRunning(process);
      return ended || undefined;
    },
    { limitMs, pollMs },
  );
  if (ended) throw new Failure(`${problem}: its process has ended`, { logFile, logStart });
  if (!held)
    throw new Failure(`${problem} after ${limitMs / 1000} s`, {
      logFile,
      logStart,
      advice: 'run "wherry doctor", and "wherry up" again; what is there is kept',
    });
}
