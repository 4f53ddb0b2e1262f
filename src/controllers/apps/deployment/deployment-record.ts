/** The Deployment of one reconcile as it was last written, so that every write goes on from the one before. */
import { Deployment } from '../../../api/resources.gen.ts';
import { formatTime } from '../../../api/schema/time.ts';
import type * as apps from '../../../api/types/apps-v1.gen.ts';
import type { ReconcileCluster } from '../../../client/controller/controller-cluster.ts';
import { type EventType, targetOf } from '../../../client/events/event-recorder.ts';
import { revisionAnnotation } from './deployment-annotations.ts';
import {
  type Now,
  pauseCondition,
  progressCondition,
  type progressReasons,
  setDeploymentCondition,
} from './deployment-status.ts';

type ProgressReason = (typeof progressReasons)[keyof typeof progressReasons];

export class DeploymentRecord {
  readonly cluster: ReconcileCluster;
  readonly signal: AbortSignal;
  /** When the reconcile began. */
  readonly now: Now;
  #present: Deployment;
  #isMarked = false;

  constructor(cluster: ReconcileCluster, deployment: Deployment, signal: AbortSignal) {
    this.cluster = cluster;
    this.signal = signal;
    const nowMs = cluster.clock.now();
    this.now = { ms: nowMs, text: formatTime(nowMs) };
    this.#present = deployment;
  }

  get present(): Deployment {
    return this.#present;
  }

  /** It was just paused or resumed: later steps of this reconcile must not overwrite that. */
  get isMarked(): boolean {
    return this.#isMarked;
  }

  /** Notes in the status that the Deployment was paused or resumed, unless that is noted already. */
  async markPause(): Promise<void> {
    const mark = pauseCondition(this.#present, this.now);
    if (!mark) return;
    await this.setCondition(mark);
    this.#isMarked = true;
  }

  async updateStatus(status: apps.DeploymentStatus): Promise<void> {
    this.#present = await this.cluster.updateStatus(Deployment, this.#present, status, this.signal);
  }

  async setCondition(condition: apps.DeploymentCondition): Promise<void> {
    await this.updateStatus(this.#statusWith(condition));
  }

  /**
   * The Deployment carries its revision as an annotation; upstream writes it along with the status. `condition`: to be
   * set with it.
   */
  async setRevision(revision: bigint, condition: apps.DeploymentCondition | undefined): Promise<void> {
    const { metadata, status = {} } = this.#present;
    const text = String(revision);
    if (metadata.annotations?.[revisionAnnotation] === text && !condition) return;
    const changed = {
      ...this.#present,
      metadata: { ...metadata, annotations: { ...metadata.annotations, [revisionAnnotation]: text } },
      status: condition ? this.#statusWith(condition) : status,
    };
    this.#present = await this.cluster.writeStatus(Deployment, changed, this.signal);
  }

  progress(status: 'True' | 'False', reason: ProgressReason, message: string): apps.DeploymentCondition {
    return progressCondition(status, reason, message, this.now.text);
  }

  event(type: EventType, reason: string, message: string): void {
    this.cluster.event(targetOf(Deployment, this.#present), type, reason, message);
  }

  #statusWith(condition: apps.DeploymentCondition): apps.DeploymentStatus {
    const { status } = this.#present;
    return { ...status, conditions: setDeploymentCondition(status?.conditions, condition) };
  }
}
