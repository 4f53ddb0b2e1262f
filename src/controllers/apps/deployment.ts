/** Deployments: roll from one ReplicaSet to the next within bounds, and keep the earlier ones for rollbacks. */

import { findCondition } from '../../api/conditions.ts';
import { compileLabelSelector, labelSelectorText } from '../../api/label-selector.ts';
import { controllerOf, keyOf } from '../../api/meta.ts';
import { Deployment, Pod, ReplicaSet } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { isAlreadyExists, type StatusError } from '../../api/status.ts';
import type * as apps from '../../api/types/apps-v1.gen.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { isInVain } from '../../client/controller/owner-check.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { claim } from '../adoption.ts';
import { isPodTerminal } from '../pod-state.ts';
import { revisionAnnotation } from './deployment/deployment-annotations.ts';
import {
  isResized,
  newReplicaSet,
  nextRevision,
  planHistoryCleanup,
  revisionOf,
  scaledReplicaSet,
  splitReplicaSets,
  syncedReplicaSet,
} from './deployment/deployment-revision.ts';
import { planRollback } from './deployment/deployment-rollback.ts';
import {
  desiredReplicas,
  newReplicaSetSize,
  planProportionalScale,
  planRollingUpdate,
  replicasOf,
  type ScaleStep,
  trustsUnavailability,
  withCountsOf,
} from './deployment/deployment-rollout.ts';
import {
  computeDeploymentStatus,
  computeRolloutStatus,
  hasProgressDeadline,
  isComplete,
  type Now,
  pauseCondition,
  progressCheckInMs,
  progressCondition,
  progressReasons,
  setDeploymentCondition,
} from './deployment/deployment-status.ts';

export const deploymentController = defineController({
  name: 'deployment',
  component: 'deployment-controller',
  reconciles: Deployment,
  owns: [ReplicaSet],
  selectorOf: (deployment: Deployment) => deployment.spec?.selector,
  watches: [watch(Pod, recreatedBy)],
  async reconcile(key, cluster, signal) {
    const deployment = cluster.get(Deployment, key);
    if (!deployment?.spec) return;
    return await new Rollout(cluster, deployment, signal).sync();
  },
});

/** Deployments that wait for their last old pod to end before they create new ones. */
function* recreatedBy(pod: Pod, _old: Pod | undefined, informers: InformerFactory): Iterable<string> {
  if (!pod.metadata.deletionTimestamp && !isPodTerminal(pod)) return;
  const { namespace } = pod.metadata;
  const above = controllerOf(pod);
  if (above?.kind !== 'ReplicaSet') return;
  const rs = informers.of(ReplicaSet).get(keyOf({ metadata: { namespace, name: above.name } }));
  const top = rs && controllerOf(rs);
  if (top?.kind !== 'Deployment') return;
  const key = keyOf({ metadata: { namespace, name: top.name } });
  if (informers.of(Deployment).get(key)?.spec?.strategy?.type === 'Recreate') yield key;
}

/** One reconcile of one Deployment. */
class Rollout {
  readonly #cluster: ReconcileCluster;
  readonly #signal: AbortSignal;
  readonly #now: Now;
  #deployment: Deployment;
  #current: ReplicaSet | undefined;
  #old: ReplicaSet[] = [];
  /** The Deployment was just paused or resumed: later steps of this reconcile must not overwrite that. */
  #isMarked = false;

  constructor(cluster: ReconcileCluster, deployment: Deployment, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#deployment = deployment;
    this.#signal = signal;
    const nowMs = cluster.clock.now();
    this.#now = { ms: nowMs, text: formatTime(nowMs) };
  }

  get #all(): ReplicaSet[] {
    return this.#current ? [...this.#old, this.#current] : this.#old;
  }

  async sync(): Promise<{ requeueAfterMs?: number } | undefined> {
    const deployment = this.#deployment;
    const { selector, paused, strategy } = deployment.spec!;
    if (Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions?.length ?? 0) === 0)
      return await this.#refuseToSelectAll();

    const matches = compileLabelSelector(selector);
    const owner = { type: Deployment, object: deployment };
    const claimed = await claim(ReplicaSet, (rs) => matches(rs.metadata.labels), {
      cluster: this.#cluster,
      owner,
      signal: this.#signal,
    });
    const { current, old } = splitReplicaSets(deployment, claimed);
    this.#current = current;
    this.#old = old;

    if (deployment.metadata.deletionTimestamp) {
      await this.#updateStatus(computeDeploymentStatus(deployment, this.#current, this.#all, this.#now));
      return undefined;
    }
    const mark = pauseCondition(deployment, this.#now);
    if (mark) {
      await this.#updateStatus(this.#statusWith(mark));
      this.#isMarked = true;
    }
    if (paused) await this.#rescale();
    else if (await this.#rollBack()) return undefined;
    else if (isResized(this.#deployment, this.#all)) await this.#rescale();
    else if (strategy?.type === 'Recreate') await this.#recreate();
    else await this.#roll();
    return { requeueAfterMs: this.#checkAgainInMs() };
  }

  /** True when the Deployment was changed: the change triggers the next reconcile. */
  async #rollBack(): Promise<boolean> {
    const plan = planRollback(this.#deployment, this.#all);
    if (!plan) return false;
    const { type, reason, message } = plan.event;
    await this.#cluster.update(Deployment, plan.next, this.#signal);
    this.#cluster.event(targetOf(Deployment, this.#deployment), type, reason, message);
    return true;
  }

  #checkAgainInMs(): number | undefined {
    return progressCheckInMs(this.#deployment, this.#deployment.status ?? {}, this.#now.ms);
  }

  async #refuseToSelectAll(): Promise<undefined> {
    const deployment = this.#deployment;
    const message = 'This deployment is selecting all pods. A non-empty selector is required.';
    this.#cluster.event(targetOf(Deployment, deployment), 'Warning', 'SelectingAll', message);
    const { generation } = deployment.metadata;
    await this.#updateStatus({ ...deployment.status, observedGeneration: generation });
  }

  async #rescale(): Promise<void> {
    await this.#syncRevision({ mayCreate: false });
    await this.#scaleAll(planProportionalScale(this.#deployment, this.#current, this.#old));
    if (this.#deployment.spec!.paused) await this.#cleanUp();
    await this.#updateStatus(computeDeploymentStatus(this.#deployment, this.#current, this.#all, this.#now));
  }

  async #roll(): Promise<void> {
    await this.#syncRevision({ mayCreate: true });
    if (!this.#current) return;
    const steps = await this.#nextSteps(this.#current);
    await this.#scaleAll(steps);
    if (steps.length === 0 && isComplete(this.#deployment, this.#deployment.status ?? {}))
      await this.#cleanUp();
    await this.#syncRolloutStatus();
  }

  /**
   * No pod goes as unavailable because the status of its set is behind: then the server is asked about the pods. Upstream
   * trusts the status, and may take a pod that has become available where all of them are needed.
   */
  async #nextSteps(current: ReplicaSet): Promise<ScaleStep[]> {
    const deployment = this.#deployment;
    const steps = planRollingUpdate(deployment, current, this.#old);
    if (!trustsUnavailability(steps, current)) return steps;
    const { namespace } = deployment.metadata;
    const labelSelector = labelSelectorText(deployment.spec!.selector);
    const { items } = await this.#cluster.client.list(Pod, { namespace, labelSelector }, this.#signal);
    const nowMs = this.#cluster.clock.now();
    const counted = (rs: ReplicaSet) => withCountsOf(rs, items, nowMs);
    return planRollingUpdate(deployment, counted(current), this.#old.map(counted)).map(
      ({ rs, replicas }) => ({
        rs: this.#all.find(({ metadata }) => metadata.uid === rs.metadata.uid)!,
        replicas,
      }),
    );
  }

  async #recreate(): Promise<void> {
    await this.#syncRevision({ mayCreate: false });
    const active = this.#old.filter((rs) => replicasOf(rs) > 0);
    await this.#scaleAll(active.map((rs) => ({ rs, replicas: 0 })));
    if (active.length > 0 || this.#hasOldPods()) return await this.#syncRolloutStatus();
    if (!this.#current) await this.#syncRevision({ mayCreate: true });
    if (!this.#current) return;
    await this.#scaleAll([{ rs: this.#current, replicas: desiredReplicas(this.#deployment) }]);
    if (isComplete(this.#deployment, this.#deployment.status ?? {})) await this.#cleanUp();
    await this.#syncRolloutStatus();
  }

  #hasOldPods(): boolean {
    return this.#old.some((rs) => this.#cluster.ownedBy(Pod, rs).some((pod) => !isPodTerminal(pod)));
  }

  /** Numbers the sets, and creates the new one if it is missing and may be created. */
  async #syncRevision({ mayCreate }: { mayCreate: boolean }): Promise<void> {
    const revision = nextRevision(this.#old);
    if (this.#current) return await this.#syncCurrent(this.#current, revision);
    if (!mayCreate) return;
    const draft = newReplicaSet(this.#deployment, revision);
    const replicas = newReplicaSetSize(this.#deployment, this.#old, undefined);
    const created = await this.#createReplicaSet({ ...draft, spec: { ...draft.spec!, replicas } });
    if (!created) return;
    this.#current = created.rs;
    const { name } = created.rs.metadata;
    if (created.isNew && replicas > 0)
      this.#event('Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${replicas}`);
    const condition =
      created.isNew && !this.#isMarked && hasProgressDeadline(this.#deployment)
        ? this.#progress('True', progressReasons.created, `Created new replica set "${name}"`)
        : undefined;
    await this.#setRevision(String(revision), condition);
  }

  async #syncCurrent(current: ReplicaSet, revision: bigint): Promise<void> {
    const deployment = this.#deployment;
    const changed = syncedReplicaSet(deployment, current, revision);
    if (changed) this.#current = await this.#cluster.update(ReplicaSet, changed, this.#signal);
    const isUnknown =
      hasProgressDeadline(deployment) && !findCondition(deployment.status?.conditions, 'Progressing');
    const condition = isUnknown
      ? this.#progress('True', progressReasons.found, `Found new replica set "${current.metadata.name}"`)
      : undefined;
    await this.#setRevision(String(revisionOf(this.#current!)), condition);
  }

  #progress(status: 'True' | 'False', reason: string, message: string): apps.DeploymentCondition {
    return progressCondition(status, reason, message, this.#now.text);
  }

  /** The Deployment carries its revision as an annotation; upstream writes it along with the status. */
  async #setRevision(revision: string, condition: apps.DeploymentCondition | undefined): Promise<void> {
    const deployment = this.#deployment;
    const isSame = deployment.metadata.annotations?.[revisionAnnotation] === revision;
    if (isSame && !condition) return;
    const annotations = { ...deployment.metadata.annotations, [revisionAnnotation]: revision };
    const status = condition ? this.#statusWith(condition) : (deployment.status ?? {});
    const changed = { ...deployment, metadata: { ...deployment.metadata, annotations }, status };
    this.#deployment = await this.#cluster.writeStatus(Deployment, changed, this.#signal);
  }

  #statusWith(condition: apps.DeploymentCondition): apps.DeploymentStatus {
    const { status } = this.#deployment;
    return { ...status, conditions: setDeploymentCondition(status?.conditions, condition) };
  }

  async #createReplicaSet(
    draft: ReturnType<typeof newReplicaSet>,
  ): Promise<{ rs: ReplicaSet; isNew: boolean } | undefined> {
    try {
      return { rs: await this.#cluster.create(ReplicaSet, draft, this.#signal), isNew: true };
    } catch (error) {
      if (this.#signal.aborted || isInVain(error)) {
        this.#signal.throwIfAborted();
        return undefined;
      }
      if (isAlreadyExists(error)) return { rs: await this.#sameOrCollision(draft, error), isNew: false };
      const message = `Failed to create new replica set "${draft.metadata.name}": ${messageOf(error)}`;
      if (hasProgressDeadline(this.#deployment))
        await this.#updateStatus(
          this.#statusWith(this.#progress('False', progressReasons.createError, message)),
        );
      this.#event('Warning', progressReasons.createError, message);
      throw error;
    }
  }

  /**
   * The name is taken: by our own set, which the cache does not show yet, or by another with the same hash, which the
   * collision count avoids the next time.
   */
  async #sameOrCollision(draft: ReturnType<typeof newReplicaSet>, error: StatusError): Promise<ReplicaSet> {
    const name = draft.metadata.name!;
    const { namespace, uid } = this.#deployment.metadata;
    const rs = await this.#cluster.client.get(ReplicaSet, { namespace, name }, this.#signal);
    const isOurs = controllerOf(rs)?.uid === uid;
    if (isOurs && splitReplicaSets(this.#deployment, [rs]).current) return rs;
    const { status } = this.#deployment;
    await this.#updateStatus({ ...status, collisionCount: (status?.collisionCount ?? 0) + 1 });
    throw error;
  }

  async #scaleAll(steps: readonly ScaleStep[]): Promise<void> {
    for (const step of steps) await this.#scale(step);
  }

  async #scale(step: ScaleStep): Promise<void> {
    const { rs, replicas } = step;
    const scaled = scaledReplicaSet(this.#deployment, step);
    if (!scaled) return;
    const changed = await this.#cluster.update(ReplicaSet, scaled, this.#signal);
    if (rs === this.#current) this.#current = changed;
    else this.#old = this.#old.map((one) => (one === rs ? changed : one));
    const before = replicasOf(rs);
    if (before === replicas) return;
    const direction = before < replicas ? 'up' : 'down';
    const message = `Scaled ${direction} replica set ${rs.metadata.name} from ${before} to ${replicas}`;
    this.#event('Normal', 'ScalingReplicaSet', message);
  }

  async #cleanUp(): Promise<void> {
    for (const rs of planHistoryCleanup(this.#deployment, this.#old))
      await this.#cluster.delete(ReplicaSet, rs, this.#signal);
  }

  async #syncRolloutStatus(): Promise<void> {
    await this.#updateStatus(computeRolloutStatus(this.#deployment, this.#current, this.#all, this.#now));
  }

  async #updateStatus(status: apps.DeploymentStatus): Promise<void> {
    this.#deployment = await this.#cluster.updateStatus(Deployment, this.#deployment, status, this.#signal);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.event(targetOf(Deployment, this.#deployment), type, reason, message);
  }
}
