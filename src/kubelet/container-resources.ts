/** Resizing the containers of a running pod in place: what was granted, what is in force, and the conditions that say so. */
import type { Pod } from '../api/resources.gen.ts';
import type * as core from '../api/types/core-v1.gen.ts';
import { linuxResourcesOf } from './cgroup-resources.ts';
import type { KubeletContext } from './context.ts';
import { podEvents } from './pod-events.ts';
import { findContainer, type ObservedPod } from './pod-observation.ts';
import { oomScoreAdjust } from './qos.ts';

export class ContainerResources {
  readonly #context: KubeletContext;
  /** In force, by container name. */
  readonly #actual = new Map<string, core.ResourceRequirements>();
  /** Container ids for which the spec's resources are in force. */
  readonly #current = new Map<string, string>();
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
    if (this.#problem === undefined) return [];
    return [{ type: 'PodResizeInProgress', status: 'True', reason: 'Error', message: this.#problem }];
  }

  /** Brings running containers to what the spec asks for. */
  async sync(pod: Pod, observed: ObservedPod): Promise<void> {
    this.#problem = undefined;
    for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
      const running = findContainer(observed, container.name);
      const wanted = container.resources ?? {};
      const wantedText = JSON.stringify(wanted);
      if (running?.state !== 'running') {
        this.#actual.set(container.name, wanted);
        continue;
      }
      if (this.#current.get(running.id) === wantedText) continue;
      const before = this.#actual.get(container.name);
      if (before !== undefined && JSON.stringify(sorted(before)) !== JSON.stringify(sorted(wanted)))
        await this.#resize(pod, container, running.id, before, wanted);
      else this.#actual.set(container.name, wanted);
      this.#current.set(running.id, wantedText);
    }
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
      events.normal(
        'ResizeCompleted',
        `Pod resize completed: ${JSON.stringify({ containers: [{ name: container.name, resources: wanted }], generation: pod.metadata.generation })}`,
      );
    } catch (error) {
      this.#problem = (error as Error).message;
      events.warning('ResizeError', `Pod resize failed: ${this.#problem}`);
    }
  }
}

function sorted(resources: core.ResourceRequirements): unknown {
  const order = (map: Record<string, string> = {}) =>
    Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
  return [order(resources.requests), order(resources.limits)];
}
