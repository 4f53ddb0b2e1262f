/** Admits pods as long as the node has room for them, and has others make way for a critical one. */
import type { Node, Pod } from '../../api/resources.gen.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { DeviceAllocator } from '../devices/device-allocator.ts';
import type { PodCounts } from '../metrics/pod-metrics.ts';
import { specifiedGraceSeconds } from '../pod/end/pod-end.ts';
import { podEvents } from '../pod/pod-events.ts';
import type { PodSet } from '../pod/pod-set.ts';
import { findResizeTurn, type ResizeProblem } from '../resources/resize.ts';
import { type AdmissionInputs, findRefusal, type Refusal } from './admission.ts';
import { planPreemption } from './preemption.ts';

export interface PodAdmitterOptions {
  recorder: EventRecorder;
  counts: Pick<PodCounts, 'preempted' | 'refused'>;
  pods(): PodSet;
  node(): Node;
  allocatable(): Record<string, string>;
  devices: Pick<DeviceAllocator, 'reserve' | 'resources'>;
  /** Further constraints of the node. */
  conditions(): Omit<AdmissionInputs, 'node' | 'allocatable' | 'others' | 'devices'>;
}

const preemptedMessage = 'Preempted in order to admit critical pod';
const disruptedMessage = 'Pod was preempted by Kubelet to accommodate a critical pod.';

export class PodAdmitter {
  readonly #options: PodAdmitterOptions;

  constructor(options: PodAdmitterOptions) {
    this.#options = options;
  }

  /**
   * Why the node cannot admit the pod; undefined: it can. Nothing is awaited between the look at the others and taking
   * the pod in, so that the next one finds its share taken.
   */
  async admit(pod: Pod): Promise<Refusal | undefined> {
    const { pods, node, allocatable, conditions, devices } = this.#options;
    const { uid } = pod.metadata;
    const others = pods().admitted(uid);
    const refusal = findRefusal(pod, {
      node: node(),
      allocatable: allocatable(),
      others,
      devices: new Set(Object.keys(devices.resources())),
      ...conditions(),
    });
    const { missing } = refusal ?? {};
    const victims = missing && planPreemption(pod, missing, others);
    if (refusal && !victims) {
      this.#options.counts.refused(refusal.reason);
      return refusal;
    }
    pods().find(uid)?.takeIn();
    if (victims) await this.#preempt(victims, Object.keys(missing)[0]!);
    const shortage = await this.#reserveDevices(pod);
    if (shortage) this.#options.counts.refused(shortage.reason);
    return shortage;
  }

  /** A pod whose devices cannot be had is refused, so that its controller makes another, elsewhere perhaps. */
  async #reserveDevices(pod: Pod): Promise<Refusal | undefined> {
    const { pods, devices } = this.#options;
    try {
      await devices.reserve(pod, (uid) => pods().find(uid)?.hasLeft === true);
      return undefined;
    } catch (error) {
      const message = `Allocate failed due to ${(error as Error).message}, which is unexpected`;
      return { reason: 'UnexpectedAdmissionError', message };
    }
  }

  /** Resolves when they hold none of the node's resources any longer. */
  async #preempt(victims: readonly Pod[], resource: string): Promise<void> {
    const { pods, recorder, counts } = this.#options;
    const workers = victims.map(({ metadata }) => pods().find(metadata.uid));
    for (const worker of workers) {
      if (!worker) continue;
      podEvents(recorder, worker.pod).warning('Preempting', preemptedMessage);
      counts.preempted(resource);
      worker.evict({
        reason: 'Preempting',
        message: preemptedMessage,
        graceSeconds: specifiedGraceSeconds(worker.pod),
        disruption: { reason: 'TerminationByKubelet', message: disruptedMessage },
      });
    }
    await Promise.all(workers.map((worker) => worker?.done()));
  }

  /** Why a pod cannot have the resources that it asks for now; pods whose turn comes first are woken. */
  findResizeProblem(pod: Pod, granted: Pod): ResizeProblem | undefined {
    const { uid } = pod.metadata;
    const pods = this.#options.pods();
    const others = [...pods.waitingResizes()].filter((one) => one.pod.metadata.uid !== uid);
    const { problem, sooner } = findResizeTurn(uid, [{ pod, granted, ...pods.waitsSince(uid) }, ...others], {
      allocatable: this.#options.allocatable(),
      admitted: pods.admitted(),
    });
    for (const one of sooner) pods.find(one)?.wake();
    return problem;
  }
}
