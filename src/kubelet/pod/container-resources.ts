/** Resizing the containers of a running pod in place: what was granted, what is in force, and the conditions that say so. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { linuxResourcesOf } from '../cgroup-resources.ts';
import type { KubeletContext } from '../context.ts';
import { oomScoreAdjust } from '../qos.ts';
import { type ResizeProblem, sameResources, withResources } from '../resize.ts';
import { podEvents } from './pod-events.ts';
import { findContainer, type ObservedPod } from './pod-observation.ts';

export class ContainerResources {
  readonly #context: KubeletContext;
  /** What the node has set aside, by container name: the spec's, unless a resize waits. */
  readonly #granted = new Map<string, core.ResourceRequirements>();
  /** In force, by container name. */
  readonly #actual = new Map<string, core.ResourceRequirements>();
  /** Container ids for which what was granted is in force. */
  readonly #current = new Map<string, string>();
  /** Why what the spec asks for was not granted. */
  #pending: ResizeProblem | undefined;
  #problem: string | undefined;

  constructor(context: KubeletContext, pod: Pod) {
    this.#context = context;
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    for (const { name, resources } of statuses) if (resources) this.#actual.set(name, resources);
  }

  /** For the status of a running container. */
  actual(container: core.Container): core.ResourceRequirements | undefined {
    return this.#actual.get(container.name) ?? container.resources;
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
    return conditions;
  }

  /** A resize that others stand in the way of: to be tried again. */
  get isDeferred(): boolean {
    return this.#pending?.reason === 'Deferred';
  }

  /** The pod with what the node has set aside for it. */
  granted(pod: Pod): Pod {
    return this.#pending ? withResources(pod, this.#granted) : pod;
  }

  /** Brings the pod's group and its running containers to what the node grants; gives the group. */
  async apply(pod: Pod, observed: ObservedPod): Promise<string | undefined> {
    const { cgroups } = this.#context.machine;
    const before = this.#grant(pod, observed);
    const granted = this.granted(pod);
    // A group grows before those within it do, and shrinks after them.
    const parent = await cgroups.apply(granted, before);
    await this.#sync(granted, observed);
    if (!before) return parent;
    try {
      await cgroups.apply(granted);
    } catch (error) {
      this.#noteProblem(granted, (error as Error).message);
    }
    return parent;
  }

  /** Grants what the spec asks for, if the node has it. Gives the pod as it was granted before, when that changes. */
  #grant(pod: Pod, observed: ObservedPod): Pod | undefined {
    const all = resizableContainers(pod);
    const asksForOther = all.some(({ name, resources }) => {
      const isRunning = findContainer(observed, name)?.state === 'running';
      // Of a pod that was adopted the status tells what it was granted.
      const before = this.#granted.get(name) ?? (isRunning ? this.#actual.get(name) : undefined);
      if (before) this.#granted.set(name, before);
      return before !== undefined && !sameResources(before, resources);
    });
    const old = asksForOther ? withResources(pod, new Map(this.#granted)) : undefined;
    const pending = old && this.#context.findResizeProblem(pod);
    if (pending && JSON.stringify(pending) !== JSON.stringify(this.#pending))
      podEvents(this.#context.recorder, pod).warning(
        `Resize${pending.reason}`,
        `Pod resize ${pending.reason}: ${resizeText(pod, pending.message)}`,
      );
    this.#pending = pending;
    if (pending) return undefined;
    if (old)
      podEvents(this.#context.recorder, pod).normal(
        'ResizeStarted',
        `Pod resize started: ${resizeText(pod)}`,
      );
    for (const { name, resources } of all) this.#granted.set(name, resources ?? {});
    return old;
  }

  /** Brings running containers to what was granted. */
  async #sync(pod: Pod, observed: ObservedPod): Promise<void> {
    this.#problem = undefined;
    for (const container of resizableContainers(pod)) {
      const running = findContainer(observed, container.name);
      const wanted = container.resources ?? {};
      const wantedText = JSON.stringify(wanted);
      if (running?.state !== 'running') {
        this.#actual.set(container.name, wanted);
        continue;
      }
      if (this.#current.get(running.id) === wantedText) continue;
      const before = this.#actual.get(container.name);
      if (before !== undefined && !sameResources(before, wanted))
        await this.#resize(pod, container, running.id, before, wanted);
      else this.#actual.set(container.name, wanted);
      this.#current.set(running.id, wantedText);
    }
  }

  #noteProblem(pod: Pod, message: string): void {
    this.#problem = message;
    podEvents(this.#context.recorder, pod).warning(
      'ResizeError',
      `Pod resize error: ${resizeText(pod, message)}`,
    );
  }

  async #resize(
    pod: Pod,
    container: core.Container,
    id: string,
    before: core.ResourceRequirements,
    wanted: core.ResourceRequirements,
  ): Promise<void> {
    const { runtime, recorder, memoryCapacityBytes } = this.#context;
    const needsRestart = (container.resizePolicy ?? []).some(
      ({ resourceName, restartPolicy }) =>
        restartPolicy === 'RestartContainer' &&
        (before.limits?.[resourceName] !== wanted.limits?.[resourceName] ||
          before.requests?.[resourceName] !== wanted.requests?.[resourceName]),
    );
    const events = podEvents(recorder, pod);
    if (needsRestart) {
      events.normal('Killing', `Container ${container.name} resize requires restart`);
      await runtime.stopContainer(id, pod.spec.terminationGracePeriodSeconds ?? 30);
      this.#actual.set(container.name, wanted);
      return;
    }
    const resources = linuxResourcesOf(wanted, oomScoreAdjust(pod, container, memoryCapacityBytes));
    // Without a limit the old one must be lifted, which zero does not do.
    if (!wanted.limits?.cpu && before.limits?.cpu) resources.cpuQuota = -1;
    delete resources.oomScoreAdj;
    try {
      await runtime.updateContainerResources(id, resources);
      this.#actual.set(container.name, wanted);
      events.normal('ResizeCompleted', `Pod resize completed: ${resizeText(pod)}`);
    } catch (error) {
      this.#noteProblem(pod, (error as Error).message);
    }
  }
}

function resizableContainers(pod: Pod): core.Container[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
}

/** What upstream's events about a resize carry. */
function resizeText(pod: Pod, error?: string): string {
  const containers = resizableContainers(pod).map(({ name, resources = {} }) => ({ name, resources }));
  return JSON.stringify({ containers, generation: pod.metadata.generation, ...(error && { error }) });
}
