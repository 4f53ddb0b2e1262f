/** What follows a decision: reserve, permit, preBind, bind. Runs beside other pods' decisions. */
import { Pod } from '../api/resources.gen.ts';
import type { Clock } from '../base/clock.ts';
import { type EventRecorder, targetOf } from '../client/event-recorder.ts';
import type { SchedulerCache } from './cache.ts';
import type { NodeInfo } from './framework/node-info.ts';
import type { Rejection } from './framework/plugin.ts';
import type { Slot } from './framework/profile.ts';
import type { SchedulerMetrics } from './metrics.ts';
import type { QueuedPod, SchedulingQueue } from './queue.ts';

export interface BindingCycleOptions {
  queued: QueuedPod;
  node: NodeInfo;
  states: readonly unknown[];
  /** Counts the pod on the node already. */
  cache: SchedulerCache;
  queue: SchedulingQueue;
  recorder: EventRecorder;
  clock: Clock;
  metrics: SchedulerMetrics;
  signal: AbortSignal;
}

export type BindingOutcome =
  | { kind: 'bound' }
  | { kind: 'refused'; plugin: string; rejection: Rejection }
  | { kind: 'failed'; error: unknown };

/** Unless the outcome is `bound`, everything that was taken for the pod has been given back. */
export async function runBindingCycle(options: BindingCycleOptions): Promise<BindingOutcome> {
  const { queued, node, states, cache, queue, recorder, metrics } = options;
  const { info, profile } = queued;
  const concerned = concernedBy(states);
  let outcome: BindingOutcome;
  try {
    outcome = reserve(options) ?? (await passGates(options)) ?? (await bind(options));
  } catch (error) {
    outcome = { kind: 'failed', error };
  }
  if (outcome.kind === 'bound') {
    cache.forgetNomination(info.uid);
    queue.remove(info.uid);
    metrics.bound(queued.attempts, options.clock.monotonic() - queued.firstTriedMs);
    recorder.event(
      targetOf(Pod, info.pod),
      'Normal',
      'Scheduled',
      `Successfully assigned ${info.key} to ${node.name}`,
    );
    for (const { plugin, index } of profile.postBind.filter(concerned))
      plugin.postBind!(info, node, states[index]);
    return outcome;
  }
  for (const { plugin, index } of profile.reserve.filter(concerned).reverse())
    plugin.unreserve?.(info, node, states[index]);
  // Room that was taken is free again: others may have been refused for it.
  if (cache.forget(info.uid)) queue.moveOn({ resource: 'AssignedPod', change: 'delete', old: info.pod });
  return outcome;
}

/** Runs at once, in the same turn as the decision: the next decision must see what was taken. */
function reserve({ queued, node, states }: BindingCycleOptions): BindingOutcome | undefined {
  for (const { plugin, index } of queued.profile.reserve.filter(concernedBy(states))) {
    const rejection = plugin.reserve?.(queued.info, node, states[index]);
    if (rejection) return { kind: 'refused', plugin: plugin.name, rejection };
  }
  return undefined;
}

async function passGates({
  queued,
  node,
  states,
  clock,
  signal,
}: BindingCycleOptions): Promise<BindingOutcome | undefined> {
  const { info, profile } = queued;
  const concerned = concernedBy(states);
  for (const { plugin, index } of profile.permit.filter(concerned)) {
    const answer = plugin.permit!(info, node, states[index]);
    if (answer.kind === 'reject')
      return { kind: 'refused', plugin: plugin.name, rejection: answer.rejection };
    if (answer.kind === 'wait') {
      const rejection = await decisionOrTimeout(answer.decided, answer.timeoutMs, clock);
      if (rejection) return { kind: 'refused', plugin: plugin.name, rejection };
    }
  }
  for (const { plugin, index } of profile.preBind.filter(concerned)) {
    const rejection = await plugin.preBind!(info, node, states[index], signal);
    if (rejection) return { kind: 'refused', plugin: plugin.name, rejection };
  }
  return undefined;
}

async function bind({ queued, node, signal }: BindingCycleOptions): Promise<BindingOutcome> {
  const [binder] = queued.profile.bind;
  if (!binder) throw new Error(`no plugin of ${queued.profile.schedulerName} binds pods`);
  // An earlier "unschedulable" must not overwrite the condition that the binding sets.
  await queued.statusWrite;
  await binder.plugin.bind!(queued.info, node, signal);
  return { kind: 'bound' };
}

/** A plugin whose preFilter skipped the pod has nothing to do with it later either. */
function concernedBy(states: readonly unknown[]): (slot: Slot) => boolean {
  return ({ plugin, index }) => !plugin.preFilter || states[index] !== undefined;
}

const timedOut: Rejection = { code: 'unschedulable', reasons: ['timed out waiting for permission'] };

function decisionOrTimeout(
  decided: Promise<Rejection | undefined>,
  timeoutMs: number,
  clock: Clock,
): Promise<Rejection | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => resolve(timedOut));
    decided.then(resolve, reject).finally(() => timer.cancel());
  });
}
