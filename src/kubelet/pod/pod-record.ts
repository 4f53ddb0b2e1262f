/** What the node knows about one pod, shared by the stages of its worker, and what it has reported to the API. */
import type { Pod } from '../../api/resources.gen.ts';
import { ContainerResources } from '../containers/container-resources.ts';
import { WaitingReasons } from '../containers/waiting-reasons.ts';
import type { KubeletContext } from '../context.ts';
import { PodEnd } from './end/pod-end.ts';
import type { ObservedPod } from './pod-observation.ts';
import { PodView } from './pod-view.ts';
import { reportPod } from './status/pod-report.ts';
import { PodStartLatency } from './status/pod-start-latency.ts';
import { WakeTimer } from './wake-timer.ts';

export interface PodRecordOptions {
  context: KubeletContext;
  pod: Pod;
  isStatic: boolean;
  /** Has the worker run another step for the pod. */
  wake(): void;
}

export class PodRecord {
  readonly context: KubeletContext;
  readonly uid: string;
  readonly isStatic: boolean;
  /** The latest from the API, or from the static pod's file. */
  pod: Pod;
  /** For a static pod: the mirror that represents it at the API. */
  mirror: Pod | undefined;
  /** When it arrived, until its first container has started. */
  seenMs: number | undefined;
  readonly end = new PodEnd();
  readonly startLatency: PodStartLatency;
  readonly waiting = new WaitingReasons();
  readonly view: PodView;
  readonly resources: ContainerResources;
  readonly timer: WakeTimer;
  readonly #wake: () => void;
  /** What is reported instead of what is there, while it lasts. */
  #shown: ObservedPod | undefined;

  constructor({ context, pod, isStatic, wake }: PodRecordOptions) {
    this.context = context;
    this.pod = pod;
    this.uid = pod.metadata.uid;
    this.isStatic = isStatic;
    this.startLatency = new PodStartLatency(context.clock);
    this.view = new PodView(context, this.uid);
    this.resources = new ContainerResources(context, pod);
    this.timer = new WakeTimer(context.clock, wake);
    this.#wake = wake;
  }

  /** With the resources that the node has reserved for it, which may differ from those that it asks for now. */
  get granted(): Pod {
    return this.resources.granted(this.pod);
  }
  get observed(): ObservedPod {
    return this.view.observed;
  }

  /** Queries the runtime if something may have changed, and again when its answer lags behind its events. */
  async observe(): Promise<void> {
    const recheckMs = await this.view.refresh();
    if (recheckMs !== undefined) this.timer.within(recheckMs);
  }

  async observeAnew(): Promise<void> {
    this.view.invalidate();
    await this.observe();
  }

  /** What was just done requires another step. */
  lookAgain(): void {
    this.view.invalidate();
    this.#wake();
  }

  /**
   * From now on what is reported has the containers as they are at this moment: what is killed to be started again is
   * not seen to have ended, which an API server may take for its end.
   */
  holdView(): void {
    this.#shown ??= this.observed;
  }

  releaseView(): void {
    this.#shown = undefined;
  }

  report(): void {
    const subject = this.isStatic ? this.mirror : this.pod;
    if (!subject) return;
    reportPod(this.context, {
      subject,
      observed: this.#shown ?? this.observed,
      failures: this.waiting.shown,
      resources: this.resources,
      verdict: this.end.verdict,
      hasEnded: this.end.hasEnded,
    });
  }
}
