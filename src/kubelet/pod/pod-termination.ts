/** Ends the containers of a pod: preStop hooks, signals, grace, and the order that sidecars need. */

import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { unlessAborted } from '../../base/unless-aborted.ts';
import type { KubeletContext } from '../context.ts';
import { runHook } from './lifecycle-hooks.ts';
import type { ContainerKill } from './pod-actions.ts';
import { containerEvents } from './pod-events.ts';
import { findContainer, type ObservedContainer, type ObservedPod } from './pod-observation.ts';
import { isSidecar } from './restart-policy.ts';

export interface ContainerStop {
  pod: Pod;
  spec: core.Container | undefined;
  container: ObservedContainer;
  graceSeconds: number;
  /** Of the Killing event. */
  message: string;
  podIp: string;
  /** Its preStop hook is not run. */
  skipsHook?: boolean;
  /** Resolves when the grace period has been cut: what is left is ended at once. */
  hurry: AbortSignal;
}

/** What a container always gets to end after its preStop hook, in seconds. */
const afterHookMinSeconds = 2;

async function stopContainer(context: KubeletContext, stop: ContainerStop): Promise<void> {
  const { pod, spec, container, graceSeconds } = stop;
  const name = { name: container.name };
  const events = containerEvents(context.recorder, pod, spec ?? name);
  events.normal('Killing', stop.message);
  const startMs = context.clock.monotonic();
  const hook = stop.skipsHook ? undefined : spec?.lifecycle?.preStop;
  if (spec && hook && graceSeconds > 0) {
    const cut = new AbortController();
    const timer = context.clock.after(graceSeconds * 1000, () => cut.abort());
    const signal = AbortSignal.any([cut.signal, stop.hurry, context.signal]);
    const target = { pod, container: spec, containerId: container.id, podIp: stop.podIp };
    try {
      await unlessAborted(runHook(context, hook, target, Math.ceil(graceSeconds), signal), signal);
    } catch (error) {
      if (!signal.aborted) {
        events.warning('FailedPreStopHook', 'PreStopHook failed');
        context.logger.info('a preStop hook failed', {
          pod: pod.metadata.name,
          container: container.name,
          error,
        });
      }
    } finally {
      timer.cancel();
    }
  }
  const usedSeconds = (context.clock.monotonic() - startMs) / 1000;
  const leftSeconds = Math.max(graceSeconds > 0 ? afterHookMinSeconds : 0, graceSeconds - usedSeconds);
  const timeoutSeconds = hook
    ? Math.min(Math.ceil(leftSeconds), Math.max(graceSeconds, afterHookMinSeconds))
    : graceSeconds;
  await stopOrHurry(context, container.id, timeoutSeconds, stop.hurry);
}

/** Stops within the timeout, or at once when the hurry signal comes. */
async function stopOrHurry(
  context: KubeletContext,
  id: string,
  timeoutSeconds: number,
  hurry: AbortSignal,
): Promise<void> {
  if (hurry.aborted) return context.runtime.stopContainer(id, 0);
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
 * Ends everything that runs: regular containers together, then sidecars in the reverse of their order. All share one
 * grace period.
 */
export async function stopAllContainers(
  context: KubeletContext,
  pod: Pod,
  observed: ObservedPod,
  graceSeconds: number,
  hurry: AbortSignal,
): Promise<void> {
  const startMs = context.clock.monotonic();
  const podIp = observed.sandboxes[0]?.ips[0] ?? '';
  const leftSeconds = () => Math.max(0, graceSeconds - (context.clock.monotonic() - startMs) / 1000);
  const sidecars = (pod.spec.initContainers ?? []).filter(isSidecar);
  const sidecarNames = new Set(sidecars.map(({ name }) => name));
  const specs = new Map(
    [
      ...(pod.spec.initContainers ?? []),
      ...pod.spec.containers,
      ...((pod.spec.ephemeralContainers ?? []) as core.Container[]),
    ].map((spec) => [spec.name, spec]),
  );
  const stop = (container: ObservedContainer, seconds: number) =>
    stopContainer(context, {
      pod,
      spec: specs.get(container.name),
      container,
      graceSeconds: seconds,
      message: `Stopping container ${container.name}`,
      podIp,
      hurry,
    });
  const running = observed.containers.filter(({ state }) => state === 'running' || state === 'unknown');
  await Promise.all(
    running.filter(({ name }) => !sidecarNames.has(name)).map((container) => stop(container, graceSeconds)),
  );
  for (const sidecar of sidecars.toReversed()) {
    const container = findContainer(observed, sidecar.name);
    if (container?.state === 'running')
      await stop(container, graceSeconds === 0 ? 0 : Math.max(afterHookMinSeconds, leftSeconds()));
  }
}

/** Ends the containers that must not run on as they do, each with the grace that its reason gives. */
export async function stopKilled(
  context: KubeletContext,
  pod: Pod,
  kills: readonly ContainerKill[],
  podIp: string,
  hurry: AbortSignal,
): Promise<void> {
  const podGrace = pod.spec.terminationGracePeriodSeconds ?? 30;
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
        hurry,
      });
    }),
  );
}
