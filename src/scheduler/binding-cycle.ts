/** What follows a decision: reserve, permit, preBind, bind. Runs concurrently with other pods' decisions. */
import { Pod } from '../api/resources.gen.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/text/error-message.ts';
import { type EventRecorder, targetOf } from '../client/events/event-recorder.ts';
import type { SchedulerCache } from './cache.ts';
import type { NodeInfo } from './framework/node-info.ts';
import type { Rejection } from './framework/plugin.ts';
import { type PointTimer, statusOf, type TimedPoint } from './framework/point-timer.ts';
import type { Slot } from './framework/profile.ts';
import type { SchedulerMetrics } from './metrics.ts';
import { nominateNode, type StatusWriteOptions } from './pod-status.ts';
import type { SchedulingQueue } from './queue.ts';

export interface BindingCycleOptions extends StatusWriteOptions {
  node: NodeInfo;
  states: readonly unknown[];
  /** Already counts the pod on the node. */
  cache: SchedulerCache;
  queue: SchedulingQueue;
  recorder: EventRecorder;
  clock: Clock;
  metrics: SchedulerMetrics;
}

export type BindingOutcome =
  | { kind: 'bound' }
  | { kind: 'refused'; plugin: string; rejection: Rejection }
  | { kind: 'failed'; error: unknown };

/** Unless the outcome is `bound`, everything that was reserved for the pod has been released. */
export async function runBindingCycle(options: BindingCycleOptions): Promise<BindingOutcome> {
  const { queued, node, states, cache, queue, recorder, metrics } = options;
  const { info, profile } = queued;
  const concerned = concernedBy(states);
  const timed = metrics.timerOf(profile.schedulerName);
  const outcome = await runSteps(options, timed);
  if (outcome.kind === 'bound') {
    queue.remove(info.uid);
    metrics.bound(queued.attempts, options.clock.monotonic() - queued.firstTriedMs);
    recorder.event(
      targetOf(Pod, info.pod),
      'Normal',
      'Scheduled',
      `Successfully assigned ${info.key} to ${node.name}`,
    );
    const ended = timed('PostBind');
    for (const { plugin, index } of profile.postBind.filter(concerned))
      plugin.postBind!(info, node, states[index]);
    ended('Success');
    return outcome;
  }
  const unreserved = timed('Unreserve');
  for (const { plugin, index } of profile.reserve.filter(concerned).reverse())
    plugin.unreserve?.(info, node, states[index]);
  unreserved('Success');
  cache.forget(info.uid);
  // What was reserved is free again, of a pod that was deleted meanwhile too: others may have been refused for it.
  queue.moveOn({ resource: 'AssignedPod', change: 'delete', old: info.pod });
  return outcome;
}

type Refused = BindingOutcome & { kind: 'refused' };
type Step = (options: BindingCycleOptions) => Refused | undefined | Promise<Refused | undefined>;

const steps: readonly (readonly [TimedPoint, Step])[] = [
  ['Reserve', reserve],
  ['Permit', permit],
  ['PreBind', preBind],
  ['Bind', bind],
];

/** The first step runs synchronously after the decision: the next decision must see what was reserved. */
async function runSteps(options: BindingCycleOptions, timed: PointTimer): Promise<BindingOutcome> {
  for (const [point, step] of steps) {
    const ended = timed(point);
    try {
      const refused = await step(options);
      ended(statusOf(refused?.rejection));
      if (refused) return refused;
    } catch (error) {
      ended('Error');
      return { kind: 'failed', error };
    }
  }
  return { kind: 'bound' };
}

function reserve({ queued, node, states }: BindingCycleOptions): Refused | undefined {
  for (const { plugin, index } of queued.profile.reserve.filter(concernedBy(states))) {
    const rejection = plugin.reserve?.(queued.info, node, states[index]);
    if (rejection) return { kind: 'refused', plugin: plugin.name, rejection };
  }
  return undefined;
}

async function permit({ queued, node, states, clock }: BindingCycleOptions): Promise<Refused | undefined> {
  const { info, profile } = queued;
  for (const { plugin, index } of profile.permit.filter(concernedBy(states))) {
    const answer = plugin.permit!(info, node, states[index]);
    if (answer.kind === 'reject')
      return { kind: 'refused', plugin: plugin.name, rejection: answer.rejection };
    if (answer.kind === 'wait') {
      const rejection = await decisionOrTimeout(answer.decided, answer.timeoutMs, clock);
      if (rejection) return { kind: 'refused', plugin: plugin.name, rejection };
    }
  }
  return undefined;
}

async function preBind(options: BindingCycleOptions): Promise<Refused | undefined> {
  const { queued, node, states, signal } = options;
  const { info, profile } = queued;
  if (isToldBefore(options)) nominateNode(options, node.name);
  for (const { plugin, index } of profile.preBind.filter(concernedBy(states))) {
    const rejection = await naming(`PreBind plugin "${plugin.name}"`, () =>
      plugin.preBind!(info, node, states[index], signal),
    );
    if (rejection) return { kind: 'refused', plugin: plugin.name, rejection };
  }
  return undefined;
}

/** Whether there is something to wait for before the pod is bound: its status says meanwhile where it will go. */
function isToldBefore({ queued, states }: BindingCycleOptions): boolean {
  return queued.profile.preBind
    .filter(concernedBy(states))
    .some(({ plugin, index }) => plugin.hasToPrepare?.(states[index]));
}

async function bind({ queued, node, signal }: BindingCycleOptions): Promise<undefined> {
  const [binder] = queued.profile.bind;
  if (!binder) throw new Error(`no plugin of ${queued.profile.schedulerName} binds pods`);
  // An earlier "unschedulable" must not overwrite the condition that the binding sets.
  await queued.statusWrite;
  const { plugin } = binder;
  await naming(`Bind plugin "${plugin.name}"`, () => plugin.bind!(queued.info, node, signal));
  return undefined;
}

/** An error says where it happened, as upstream's do. */
async function naming<T>(where: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw new Error(`running ${where}: ${messageOf(error)}`, { cause: error });
  }
}

/** A plugin whose preFilter skipped the pod is not involved later either. */
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
