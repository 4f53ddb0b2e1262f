/** Ends the containers of a pod: preStop hooks, signals, grace periods, and the order that sidecars need. */

import { isSidecar } from '../../../api/core/pod/sidecars.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { unlessAborted } from '../../../base/async/unless-aborted.ts';
import type { Timer } from '../../../base/clock.ts';
import { runHook } from '../../containers/lifecycle-hooks.ts';
import type { KubeletContext } from '../../context.ts';
import type { ContainerKill } from '../pod-actions.ts';
import { containerEvents } from '../pod-events.ts';
import type { ObservedContainer, ObservedPod } from '../pod-observation.ts';
import { type GraceCuts, specifiedGraceSeconds } from './pod-end.ts';

export interface ContainerStop {
  pod: Pod;
  spec: core.Container | undefined;
  container: Pick<ObservedContainer, 'id' | 'name'>;
  graceSeconds: number;
  /** For the Killing event. */
  message: string;
  podIp: string;
  /** Its preStop hook is not run. */
  skipsHook?: boolean;
  /** Settles when the containers that must end before this one have; it gets its signal then. */
  turn?: Promise<unknown>;
  /** Its time may be cut short while it is ending. */
  cuts: GraceCuts;
}

/** The least time in seconds that a container gets between its signal and its end, however short its grace. */
const signalMinSeconds = 2;

export async function stopContainer(context: KubeletContext, stop: ContainerStop): Promise<void> {
  const { pod, spec, container } = stop;
  const events = containerEvents(context.recorder, pod, spec ?? { name: container.name });
  events.normal('Killing', stop.message);
  const hurry = new AbortController();
  let timer: Timer | undefined;
  const unlisten = stop.cuts.listen((leftSeconds) => {
    timer?.cancel();
    timer = context.clock.after(Math.max(leftSeconds, signalMinSeconds) * 1000, () => hurry.abort());
  });
  try {
    const usedSeconds = await runHookAndWait(context, stop, hurry.signal);
    const leftSeconds = hurry.signal.aborted ? 0 : Math.ceil(stop.graceSeconds - usedSeconds);
    await stopOrHurry(context, container.id, Math.max(signalMinSeconds, leftSeconds), hurry.signal);
  } finally {
    unlisten();
    timer?.cancel();
  }
}

/** What comes before the signal, within the grace period; resolves with the seconds that it took. */
async function runHookAndWait(
  context: KubeletContext,
  stop: ContainerStop,
  hurry: AbortSignal,
): Promise<number> {
  const { spec, graceSeconds, turn } = stop;
  const hook = stop.skipsHook ? undefined : spec?.lifecycle?.preStop;
  if ((!hook && !turn) || graceSeconds <= 0) return 0;
  const startMs = context.clock.monotonic();
  const cut = new AbortController();
  const timer = context.clock.after(graceSeconds * 1000, () => cut.abort());
  const signal = AbortSignal.any([cut.signal, hurry, context.signal]);
  if (spec && hook) await runPreStop(context, stop, { spec, hook, signal });
  if (turn && !signal.aborted) await orAborted(turn, signal);
  timer.cancel();
  // Another agent starts over; to go on here would end containers out of turn.
  context.signal.throwIfAborted();
  return (context.clock.monotonic() - startMs) / 1000;
}

/** Runs the hook within the grace period; a failure is reported, and does not keep the container from ending. */
async function runPreStop(
  context: KubeletContext,
  { pod, container, podIp }: ContainerStop,
  { spec, hook, signal }: { spec: core.Container; hook: core.LifecycleHandler; signal: AbortSignal },
): Promise<void> {
  const target = { pod, container: spec, containerId: container.id, podIp };
  const running = runHook(context, hook, target, signal);
  // A command that outlasts the grace period fails when its container ends, and is reported then.
  const outcome = running.catch((error: unknown) => {
    if (context.signal.aborted || (signal.aborted && !hook.exec)) return;
    containerEvents(context.recorder, pod, spec).warning('FailedPreStopHook', 'PreStopHook failed');
    context.logger.info('a preStop hook failed', {
      pod: pod.metadata.name,
      container: container.name,
      error,
    });
  });
  await orAborted(outcome, signal);
}

/** Waits for `work` or the signal, whichever comes first. */
async function orAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  await unlessAborted(work, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Stops within the timeout, or at once when the hurry signal comes meanwhile. */
async function stopOrHurry(
  context: KubeletContext,
  id: string,
  timeoutSeconds: number,
  hurry: AbortSignal,
): Promise<void> {
  const stopping = context.runtime.stopContainer(id, timeoutSeconds);
  const kill = () =>
    void context.runtime
      .stopContainer(id, 0)
      .catch((error: unknown) => context.logger.info('a container could not be killed', { id, error }));
  hurry.addEventListener('abort', kill, { once: true });
  try {
    await stopping;
  } finally {
    hurry.removeEventListener('abort', kill);
  }
}

/**
 * Ends everything that runs. All hooks run at once, and all containers share one grace period; sidecars get their
 * signal when the regular containers have ended, in reverse order.
 */
export async function stopAllContainers(
  context: KubeletContext,
  pod: Pod,
  observed: ObservedPod,
  { graceSeconds, cuts }: { graceSeconds: number; cuts: GraceCuts },
): Promise<void> {
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
  const podIp = observed.sandboxes[0]?.ips[0] ?? '';
  const sidecars = initContainers.filter(isSidecar);
  const sidecarNames = new Set(sidecars.map(({ name }) => name));
  const all = [...initContainers, ...containers, ...(ephemeralContainers as core.Container[])];
  const specs = new Map(all.map((spec) => [spec.name, spec]));
  const stop = (container: ObservedContainer, turn?: Promise<unknown>) =>
    stopContainer(context, {
      pod,
      spec: specs.get(container.name),
      container,
      graceSeconds,
      message: `Stopping container ${container.name}`,
      podIp,
      cuts,
      ...(turn && { turn }),
    });
  const running = observed.containers.filter(({ state }) => state === 'running' || state === 'unknown');
  const ends = running.filter(({ name }) => !sidecarNames.has(name)).map((container) => stop(container));
  for (const sidecar of sidecars.toReversed()) {
    const container = running.find(({ name }) => name === sidecar.name);
    if (container) ends.push(stop(container, Promise.allSettled(ends)));
  }
  await Promise.all(ends);
}

/** Ends the containers that must not continue as they are, each with the grace period for its reason. */
export async function stopKilled(
  context: KubeletContext,
  pod: Pod,
  kills: readonly ContainerKill[],
  { podIp, cuts }: { podIp: string; cuts: GraceCuts },
): Promise<void> {
  const podGrace = specifiedGraceSeconds(pod);
  const probeOf = ({ reason, spec }: ContainerKill) =>
    reason === 'liveness' ? spec.livenessProbe : reason === 'startup' ? spec.startupProbe : undefined;
  await Promise.all(
    kills.map((kill) => {
      const graceSeconds = probeOf(kill)?.terminationGracePeriodSeconds ?? podGrace;
      const { spec, container, message } = kill;
      const skipsHook = kill.reason === 'restart-all';
      return stopContainer(context, {
        pod,
        spec,
        container,
        message,
        graceSeconds,
        podIp,
        skipsHook,
        cuts,
      });
    }),
  );
}
