/** Decides what a pod needs next: which sandbox, which containers to start and which to kill. Never acts. */

import { createHash } from 'node:crypto';
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { RecentMap } from '../../base/collections/recent-map.ts';
import {
  askersForRestartOfAll,
  initRestartsAfterExit,
  restartsAfterExit,
  shouldRestart,
} from '../containers/restart-policy.ts';
import {
  findContainer,
  type ObservedContainer,
  type ObservedPod,
  type ObservedSandbox,
} from './pod-observation.ts';

/** What the probes have found about a container; undefined: nothing yet. */
export interface ProbeFindings {
  startup?: 'success' | 'failure';
  liveness?: 'success' | 'failure';
}

export type KillReason = 'liveness' | 'startup' | 'changed' | 'restart-all';

export interface ContainerKill {
  container: ObservedContainer;
  spec: core.Container;
  reason: KillReason;
  /** For the Killing event. */
  message: string;
}

/** A container of any kind, to be started. */
export type DueContainer = core.Container & Pick<core.EphemeralContainer, 'targetContainerName'>;

export interface PodActions {
  /** The sandbox and everything in it must go first. */
  killPod: boolean;
  /** With `killPod`: a new sandbox follows. */
  createSandbox: boolean;
  /** Of the sandbox in use, or of the one to create. */
  attempt: number;
  sandbox: ObservedSandbox | undefined;
  kill: ContainerKill[];
  ephemeral: core.EphemeralContainer[];
  /** In order; a sidecar must have started before the next container is considered. */
  init: core.Container[];
  containers: core.Container[];
  /** Old containers to remove before everything starts again. */
  remove: ObservedContainer[];
}

/** A container is recreated when this changes. What can change in place, such as its resources, is not part of it. */
export function containerHash(container: Pick<core.Container, 'name' | 'image'>): string {
  const text = JSON.stringify([container.name, container.image ?? '']);
  let hash = containerHashes.get(text);
  if (hash === undefined) {
    hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
    containerHashes.set(text, hash);
  }
  return hash;
}

/** Every sync of a pod asks for those of all of its containers. */
const containerHashes = new RecentMap<string>(256);

/** The pod as it should be, and what is known of it. */
interface Situation {
  pod: Pod;
  observed: ObservedPod;
  probes: (containerId: string) => ProbeFindings;
}

export function computePodActions(
  pod: Pod,
  observed: ObservedPod,
  probes: (containerId: string) => ProbeFindings,
): PodActions {
  const { create, attempt, sandbox } = planSandbox(pod, observed);
  const actions: PodActions = {
    killPod: create,
    createSandbox: create,
    attempt,
    sandbox: create ? undefined : sandbox,
    kill: [],
    ephemeral: [],
    init: [],
    containers: [],
    remove: [],
  };
  if (create) {
    planFreshStart(pod, observed, actions);
    return actions;
  }
  for (const container of pod.spec.ephemeralContainers ?? []) {
    if (!findContainer(observed, container.name)) actions.ephemeral.push(container);
  }
  if (planRestartOfAll(pod, observed, actions)) return actions;

  const situation = { pod, observed, probes };
  if (planInitContainers(situation, actions)) planContainers(situation, actions);
  return actions;
}

/** Whether `next` asks for anything that was not just tried with `done`; a retry has a time of its own. */
export function goesBeyond(next: PodActions, done: PodActions): boolean {
  if (next.killPod || next.remove.length > 0) return true;
  // The runtime may show a container for a moment after its end.
  const killed = new Set(done.kill.map(({ container }) => container.id));
  if (next.kill.some(({ container }) => !killed.has(container.id))) return true;
  const tried = new Set(startsOf(done).map(({ name }) => name));
  return startsOf(next).some(({ name }) => !tried.has(name));
}

/** The containers to start, in order. */
export function startsOf({ ephemeral, init, containers }: PodActions): DueContainer[] {
  return [...ephemeral, ...init, ...containers];
}

function planSandbox(pod: Pod, observed: ObservedPod) {
  const latest = observed.sandboxes[0];
  if (!latest) return { create: true, attempt: 0, sandbox: undefined };
  const next = { create: true, attempt: latest.attempt + 1, sandbox: undefined };
  const readyCount = observed.sandboxes.filter((sandbox) => sandbox.ready).length;
  if (readyCount > 1 || !latest.ready) return next;
  if (latest.onHostNetwork !== (pod.spec.hostNetwork ?? false)) return next;
  if (!latest.onHostNetwork && latest.ips.length === 0) return next;
  return { create: false, attempt: latest.attempt, sandbox: latest };
}

/** What starts in a new sandbox; a pod that is done gets none. */
function planFreshStart(pod: Pod, observed: ObservedPod, actions: PodActions): void {
  const { restartPolicy } = pod.spec;
  const hasRun = observed.containers.length > 0;
  if (restartPolicy === 'Never' && actions.attempt > 0 && hasRun) {
    actions.createSandbox = false;
    return;
  }
  const wanted = pod.spec.containers.filter((container) => {
    const last = findContainer(observed, container.name);
    return last?.state !== 'exited' || restartsAfterExit(pod, container, last.exitCode);
  });
  if (wanted.length === 0 && hasRun) {
    actions.createSandbox = false;
    return;
  }
  const init = pod.spec.initContainers ?? [];
  // All init containers run again in a new sandbox, even if regular containers have already started: as upstream, since
  // what they prepared may be gone.
  if (init.length > 0) actions.init.push(init[0]!);
  else actions.containers.push(...wanted);
}

/** When an exit calls for a restart of everything: running containers are killed first, then all are removed. */
function planRestartOfAll(pod: Pod, observed: ObservedPod, actions: PodActions): boolean {
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const asking = new Set(askersForRestartOfAll(pod, observed));
  if (asking.size === 0) return false;
  for (const spec of all) {
    const last = findContainer(observed, spec.name);
    if (last?.state === 'running')
      actions.kill.push({
        container: last,
        spec,
        reason: 'restart-all',
        message: 'killing',
      });
  }
  if (actions.kill.length > 0) return true;
  // The container that asked goes last: after a crash halfway, it is what tells that the rest must go too.
  actions.remove.push(...observed.containers.filter((each) => !asking.has(each)), ...asking);
  return true;
}

/** True when regular containers may run. */
function planInitContainers(situation: Situation, actions: PodActions): boolean {
  const { pod, observed, probes } = situation;
  const init = pod.spec.initContainers ?? [];
  if (init.length === 0) return true;
  const regularHasStarted = pod.spec.containers.some((container) => findContainer(observed, container.name));
  if (regularHasStarted) {
    const lives = podLives(pod, observed);
    for (const container of init)
      if (isSidecar(container)) planSidecar(container, situation, actions, { podLives: lives });
    return true;
  }
  for (const container of init) {
    const last = findContainer(observed, container.name);
    if (isSidecar(container)) {
      planSidecar(container, situation, actions, { podLives: true });
      if (last?.state !== 'running') return false;
      // Without a startup probe it is enough that the sidecar runs; otherwise the probe must have succeeded.
      if (container.startupProbe && probes(last.id).startup !== 'success') return false;
      continue;
    }
    if (last?.state === 'exited' && last.exitCode === 0) continue;
    if (last?.state === 'running') {
      if (last.hash !== containerHash(container)) {
        actions.kill.push(killForChange(last, container));
        actions.init.push(container);
      }
      return false;
    }
    if (last?.state === 'exited' && !initRestartsAfterExit(pod, container, last.exitCode)) {
      // A failed init container ends the pod.
      actions.killPod = true;
      return false;
    }
    actions.init.push(container);
    return false;
  }
  return true;
}

/** Whether any regular container runs or will run again. */
function podLives(pod: Pod, observed: ObservedPod): boolean {
  return pod.spec.containers.some((container) => {
    const last = findContainer(observed, container.name);
    return last?.state !== 'exited' || restartsAfterExit(pod, container, last.exitCode);
  });
}

function planSidecar(
  container: core.Container,
  { observed, probes }: Situation,
  actions: PodActions,
  { podLives }: { podLives: boolean },
): void {
  const last = findContainer(observed, container.name);
  if (last?.state === 'running') {
    const kill = killNeeded(last, container, probes(last.id), { restarts: true });
    if (kill) actions.kill.push({ ...kill, message: sidecarMessage(kill) });
    if (kill && podLives) actions.init.push(container);
  } else if (podLives) actions.init.push(container);
}

function sidecarMessage({ reason, spec }: ContainerKill): string {
  const about = `Init container ${spec.name}`;
  return reason === 'changed' ? `${about} definition changed` : `${about} failed ${reason} probe`;
}

function planContainers({ pod, observed, probes }: Situation, actions: PodActions): void {
  let kept = 0;
  for (const container of pod.spec.containers) {
    const last = findContainer(observed, container.name);
    if (last?.state !== 'running') {
      if (shouldRestart(pod, container, last)) actions.containers.push(container);
      continue;
    }
    const restarts = (container.restartPolicy ?? pod.spec.restartPolicy) !== 'Never';
    const kill = killNeeded(last, container, probes(last.id), { restarts });
    if (!kill) {
      kept++;
      continue;
    }
    actions.kill.push(kill);
    if (restarts || kill.reason === 'changed') actions.containers.push(container);
  }
  if (kept > 0 || actions.containers.length > 0) return;
  // No regular container goes on: the pod ends as a whole, sidecars included, with its own grace period.
  actions.killPod = true;
  actions.kill = [];
  actions.init = [];
}

function killNeeded(
  last: ObservedContainer,
  container: core.Container,
  found: ProbeFindings,
  { restarts }: { restarts: boolean },
): ContainerKill | undefined {
  if (last.hash !== containerHash(container)) return killForChange(last, container);
  const probe =
    found.liveness === 'failure' ? 'liveness' : found.startup === 'failure' ? 'startup' : undefined;
  if (!probe) return undefined;
  const message = `Container ${container.name} failed ${probe} probe${restarts ? ', will be restarted' : ''}`;
  return { container: last, spec: container, reason: probe, message };
}

function killForChange(container: ObservedContainer, spec: core.Container): ContainerKill {
  const message = `Container ${spec.name} definition changed, will be restarted`;
  return { container, spec, reason: 'changed', message };
}
