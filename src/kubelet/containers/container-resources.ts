/**
 * Resizing a running pod and its containers in place: what was granted, what is in effect, and the conditions that say
 * so.
 */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { KubeletContext } from '../context.ts';
import { containerEvents, podEvents } from '../pod/pod-events.ts';
import { findContainer, type ObservedPod } from '../pod/pod-observation.ts';
import type { Phase } from '../pod/status/pod-phase.ts';
import { podResourcesStatus } from '../pod/status/pod-resources-status.ts';
import { boundedResources, linuxResourcesOf, podLimitsOf } from '../resources/cgroup-resources.ts';
import { oomScoreAdjust } from '../resources/qos.ts';
import {
  findMemoryProblem,
  type ResizeProblem,
  sameResources,
  shrinkingContainers,
  wholePod,
  withResources,
} from '../resources/resize.ts';

export class ContainerResources {
  readonly #context: KubeletContext;
  /**
   * What the node has reserved, by container name and for the {@link wholePod}: the spec's amounts, unless a resize
   * waits.
   */
  readonly #granted = new Map<string, core.ResourceRequirements>();
  /** What is in effect, by the same keys. */
  readonly #actual = new Map<string, core.ResourceRequirements>();
  /** Why the spec's amounts were not granted. */
  #pending: ResizeProblem | undefined;
  /** Why the granted amounts are not in effect. */
  #problem: string | undefined;
  /** The granted amounts are about to take effect. */
  #isUnderWay = false;
  /** Containers that get the granted amounts when they are restarted, with their present ids. */
  readonly #restarting = new Map<string, string>();

  constructor(context: KubeletContext, pod: Pod) {
    this.#context = context;
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    for (const { name, resources } of statuses) if (resources) this.#actual.set(name, resources);
    const { resources } = pod.spec;
    if (resources && pod.status?.resources)
      this.#actual.set(wholePod, namedIn(resources, pod.status.resources));
  }

  /** For the status of the pod as a whole. */
  ofPod(pod: Pod, phase: Phase): Pick<core.PodStatus, 'resources' | 'allocatedResources'> {
    const granted = this.granted(pod);
    return podResourcesStatus(granted, withResources(granted, this.#actual), phase);
  }

  /** For the status of a running container. */
  actual(container: core.Container): core.ResourceRequirements | undefined {
    return this.#actual.get(container.name) ?? container.resources;
  }

  /** For the same. */
  allocated(container: core.Container): core.ResourceRequirements | undefined {
    return this.#granted.get(container.name) ?? container.resources;
  }

  conditions(): core.PodCondition[] {
    const conditions: core.PodCondition[] = [];
    if (this.#pending) conditions.push({ type: 'PodResizePending', status: 'True', ...this.#pending });
    if (this.#problem !== undefined)
      conditions.push({
        type: 'PodResizeInProgress',
        status: 'True',
        reason: 'Error',
        message: this.#problem,
      });
    else if (this.#isUnderWay || this.#restarting.size > 0)
      conditions.push({ type: 'PodResizeInProgress', status: 'True' });
    return conditions;
  }

  /** A resize that waits for other pods. */
  get isDeferred(): boolean {
    return this.#pending?.reason === 'Deferred';
  }

  /** A resize to be retried without any event to trigger it. */
  get isUnfinished(): boolean {
    return this.isDeferred || this.#problem !== undefined;
  }

  /** The pod with the amounts that the node has reserved for it. */
  granted(pod: Pod): Pod {
    return this.#pending ? withResources(pod, this.#granted) : pod;
  }

  /**
   * Decides what the node grants, for {@link conditions} to show. Returns the pod with the amounts that its running
   * containers have until then, or undefined when they are the same.
   */
  settle(pod: Pod, observed: ObservedPod): Pod | undefined {
    this.#grant(pod, observed);
    const granted = this.granted(pod);
    const inForce = this.#inForce(granted, observed);
    this.#isUnderWay = inForce !== undefined;
    this.noteRestarts(pod, observed);
    return inForce;
  }

  /** Brings the pod's group and its running containers to what the node grants; returns the group. */
  async apply(pod: Pod, observed: ObservedPod): Promise<string | undefined> {
    const { machine, clock, counts } = this.#context;
    const { cgroups } = machine;
    const inForce = this.settle(pod, observed);
    const granted = this.granted(pod);
    // A group grows before the groups within it, and shrinks after them.
    const parent = await cgroups.apply(granted, inForce);
    const startMs = clock.monotonic();
    const problem = inForce && (await this.#change(granted, inForce, observed));
    if (inForce) counts.resized(problem === undefined ? 'succeeded' : 'failed', clock.monotonic() - startMs);
    if (problem !== undefined && problem !== this.#problem)
      podEvents(this.#context.recorder, pod).warning(
        'ResizeError',
        `Pod resize error: ${resizeText(granted, problem)}`,
      );
    this.#problem = problem;
    return parent;
  }

  /** Grants the spec's amounts, if the node has them and it is the pod's turn. */
  #grant(pod: Pod, observed: ObservedPod): void {
    const all = resizableParts(pod);
    const asksForOther = all.some(({ name, resources }) => {
      const isRunning = isPartRunning(observed, name);
      // The granted amounts of an adopted pod are in its status.
      const before = this.#granted.get(name) ?? (isRunning ? this.#actual.get(name) : undefined);
      if (before) this.#granted.set(name, before);
      return before !== undefined && !sameResources(before, resources);
    });
    const pending = asksForOther
      ? this.#context.findResizeProblem(pod, withResources(pod, this.#granted))
      : undefined;
    const events = podEvents(this.#context.recorder, pod);
    if (pending && JSON.stringify(pending) !== JSON.stringify(this.#pending))
      events.warning(
        `Resize${pending.reason}`,
        `Pod resize ${pending.reason}: ${resizeText(pod, pending.message)}`,
      );
    this.#pending = pending;
    if (pending) return;
    for (const { name, resources } of all) this.#granted.set(name, resources ?? {});
    if (!asksForOther) return;
    events.normal('ResizeStarted', `Pod resize started: ${resizeText(pod)}`);
    this.#context.resourcesFreed();
  }

  /** The pod with the amounts that its running containers have now; undefined when they are the granted ones. */
  #inForce(granted: Pod, observed: ObservedPod): Pod | undefined {
    let differs = false;
    for (const { name, resources = {} } of resizableParts(granted)) {
      const actual = this.#actual.get(name);
      if (!isPartRunning(observed, name) || actual === undefined) this.#actual.set(name, resources);
      else differs ||= !sameResources(actual, resources);
    }
    return differs ? withResources(granted, new Map(this.#actual)) : undefined;
  }

  /** Whether the containers that were to restart with other amounts have. */
  noteRestarts(pod: Pod, observed: ObservedPod): void {
    if (this.#restarting.size === 0) return;
    for (const [name, id] of this.#restarting) {
      const now = findContainer(observed, name);
      if (now && now.id !== id) this.#restarting.delete(name);
    }
    if (this.#restarting.size === 0) this.#reportCompleted(this.granted(pod));
  }

  #reportCompleted(granted: Pod): void {
    podEvents(this.#context.recorder, granted).normal(
      'ResizeCompleted',
      `Pod resize completed: ${resizeText(granted)}`,
    );
  }

  /** Puts the granted amounts into effect; returns why that failed, if it did. */
  async #change(granted: Pod, inForce: Pod, observed: ObservedPod): Promise<string | undefined> {
    try {
      const problem = await this.#memoryProblem(granted, inForce, observed);
      if (problem !== undefined) return problem;
      for (const container of resizableContainers(granted)) {
        const running = findContainer(observed, container.name);
        if (
          running?.state !== 'running' ||
          sameResources(boundsOf(inForce, container.name), boundsOf(granted, container.name))
        )
          continue;
        const before = boundsOf(inForce, container.name);
        if (await this.#resize(granted, container, running.id, before))
          this.#restarting.set(container.name, running.id);
        this.#actual.set(container.name, container.resources ?? {});
      }
      await this.#context.machine.cgroups.apply(granted);
      this.#actual.set(wholePod, granted.spec.resources ?? {});
      this.#isUnderWay = false;
      if (this.#restarting.size === 0) this.#reportCompleted(granted);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** A reduced limit must not be below the present usage. */
  async #memoryProblem(granted: Pod, inForce: Pod, observed: ObservedPod): Promise<string | undefined> {
    const { runtime, machine } = this.#context;
    const running = new Map(
      observed.containers.filter(({ state }) => state === 'running').map(({ id, name }) => [name, id]),
    );
    const shrinking = shrinkingContainers(inForce, granted, new Set(running.keys()));
    const [limitBefore, limit] = [podLimitsOf(inForce).memoryBytes, podLimitsOf(granted).memoryBytes];
    const podShrinks = limit !== undefined && (limitBefore === undefined || limit < limitBefore);
    if (shrinking.length === 0 && !podShrinks) return undefined;
    const containers = new Map<string, number>();
    for (const name of shrinking) {
      const [stats] = await runtime.listContainerStats({ id: running.get(name)! });
      containers.set(name, stats?.memory?.workingSetBytes?.value ?? 0);
    }
    const usage = await machine.cgroups.podUsage(granted.metadata.uid);
    const use = { pod: usage?.memoryWorkingSetBytes ?? 0, containers };
    return findMemoryProblem(granted, shrinking, podShrinks ? limit : undefined, use);
  }

  /** `before`: the previous limits. True: the container is stopped, to be restarted with the granted amounts. */
  async #resize(
    pod: Pod,
    container: core.Container,
    id: string,
    before: core.ResourceRequirements,
  ): Promise<boolean> {
    const { runtime, recorder, memoryCapacityBytes } = this.#context;
    const bounds = boundsOf(pod, container.name);
    const needsRestart = (container.resizePolicy ?? []).some(
      ({ resourceName, restartPolicy }) =>
        restartPolicy === 'RestartContainer' &&
        (before.limits?.[resourceName] !== bounds.limits?.[resourceName] ||
          before.requests?.[resourceName] !== bounds.requests?.[resourceName]),
    );
    if (needsRestart) {
      const events = containerEvents(recorder, pod, container);
      events.normal('Killing', `Container ${container.name} resize requires restart`);
      await runtime.stopContainer(id, pod.spec.terminationGracePeriodSeconds ?? 30);
      return true;
    }
    const resources = linuxResourcesOf(bounds, oomScoreAdjust(pod, container, memoryCapacityBytes));
    // Without a new limit the old one must be lifted, for which zero would not do.
    if (!bounds.limits?.cpu && before.limits?.cpu) resources.cpuQuota = -1;
    delete resources.oomScoreAdj;
    await runtime.updateContainerResources(id, resources);
    return false;
  }
}

/** The status also has the sums of the containers' requests, which the spec does not have. */
function namedIn(
  spec: core.ResourceRequirements,
  reported: core.ResourceRequirements,
): core.ResourceRequirements {
  const pick = (which: 'limits' | 'requests') =>
    spec[which] && {
      [which]: Object.fromEntries(
        Object.entries(reported[which] ?? {}).filter(([name]) => spec[which]?.[name] !== undefined),
      ),
    };
  return { ...pick('limits'), ...pick('requests') };
}

function resizableContainers(pod: Pod): core.Container[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
}

/** The containers, and the pod as a whole. */
function resizableParts(pod: Pod): Pick<core.Container, 'name' | 'resources'>[] {
  return [...resizableContainers(pod), { name: wholePod, resources: pod.spec.resources ?? {} }];
}

function isPartRunning(observed: ObservedPod, name: string): boolean {
  if (name === wholePod) return observed.containers.some(({ state }) => state === 'running');
  return findContainer(observed, name)?.state === 'running';
}

/** What a container requests and is limited to, by its own limit or the whole pod's. */
function boundsOf(pod: Pod, name: string): core.ResourceRequirements {
  return boundedResources(pod, resizableContainers(pod).find((one) => one.name === name)!);
}

/** What upstream's events about a resize contain. */
function resizeText(pod: Pod, error?: string): string {
  const { initContainers = [], containers } = pod.spec;
  const amounts = ({ name, resources = {} }: core.Container) => {
    const { limits, requests, ...others } = resources;
    return { name, resources: { ...(limits && { limits }), ...(requests && { requests }), ...others } };
  };
  return JSON.stringify({
    ...(initContainers.length > 0 && { initContainers: initContainers.map(amounts) }),
    containers: containers.map(amounts),
    generation: pod.metadata.generation,
    ...(error && { error }),
  });
}
