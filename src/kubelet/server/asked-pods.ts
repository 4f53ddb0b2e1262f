/** The pods and containers that requests name. */

import type { Container } from '../../api/types/core-v1.gen.ts';
import { goQuote } from '../../base/text/go-quote.ts';
import { isUnanswered, RuntimeError } from '../cri/runtime-error.ts';
import type { Kubelet } from '../kubelet.ts';
import { findContainer, type ObservedContainer } from '../pod/pod-observation.ts';
import type { PodWorker } from '../pod/pod-worker.ts';
import { HttpProblem } from './http-problem.ts';

/** While the runtime is unreachable, nothing is known of its containers. */
const lookedWithinMs = 5000;

export class AskedPods {
  readonly #kubelet: Kubelet;

  constructor(kubelet: Kubelet) {
    this.#kubelet = kubelet;
  }

  /** @throws HttpProblem 404 */
  async worker(namespace: string, name: string): Promise<PodWorker> {
    // Right after a restart the pods are not known yet.
    await this.#kubelet.started;
    const worker = this.#kubelet.pods.findByName(namespace, name);
    if (!worker) throw new HttpProblem(404, `pod ${goQuote(name)} does not exist`);
    await Promise.race([worker.looked(), this.#kubelet.context.clock.sleep(lookedWithinMs)]);
    return worker;
  }

  /** The runtime knows first: containers of an ending pod end one by one, and its worker waits for the last. */
  async runningContainer(worker: PodWorker, name: string): Promise<ObservedContainer | undefined> {
    const container = findContainer(worker.observed, name);
    if (container?.state !== 'running') return undefined;
    return (await this.isRunning(container.id)) ? container : undefined;
  }

  /** Whether the runtime has not said that the container ended. */
  async isRunning(containerId: string): Promise<boolean> {
    try {
      return (await this.#kubelet.context.runtime.containerStatus(containerId)).state === 'CONTAINER_RUNNING';
    } catch (error) {
      // From a runtime that does not answer nothing is known.
      if (error instanceof RuntimeError) return isUnanswered(error);
      throw error;
    }
  }
}

export function containerSpec({ pod: { spec } }: PodWorker, name: string): Container | undefined {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])].find(
    (container) => container.name === name,
  );
}
