/** Deployments: roll from one ReplicaSet to the next within bounds, and keep the earlier ones for rollbacks. */

import { controllerOf, keyOf } from '../../api/meta.ts';
import { Deployment, Pod, ReplicaSet } from '../../api/resources.gen.ts';
import {
  compileLabelSelector,
  isEmptySelector,
  labelSelectorText,
} from '../../api/selectors/label-selector.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { claim } from '../adoption.ts';
import { isPodTerminal } from '../pods/pod-state.ts';
import { ensureCurrent, syncCurrent } from './deployment/current-replica-set.ts';
import { DeploymentRecord } from './deployment/deployment-record.ts';
import {
  isResized,
  planHistoryCleanup,
  scaledReplicaSet,
  splitReplicaSets,
} from './deployment/deployment-revision.ts';
import { planRollback } from './deployment/deployment-rollback.ts';
import {
  desiredReplicas,
  planProportionalScale,
  planRollingUpdate,
  replicasOf,
  type ScaleStep,
  trustsUnavailability,
  withCountsOf,
} from './deployment/deployment-rollout.ts';
import { allOf, type DeploymentSets, withWritten } from './deployment/deployment-sets.ts';
import {
  computeDeploymentStatus,
  computeRolloutStatus,
  isComplete,
  progressCheckInMs,
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
  readonly #record: DeploymentRecord;

  constructor(cluster: ReconcileCluster, deployment: Deployment, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#signal = signal;
    this.#record = new DeploymentRecord(cluster, deployment, signal);
  }

  /** As it was last written in this reconcile. */
  get #deployment(): Deployment {
    return this.#record.present;
  }

  async sync(): Promise<{ requeueAfterMs?: number } | undefined> {
    const { metadata, spec } = this.#deployment;
    const { selector, paused, strategy } = spec!;
    if (isEmptySelector(selector)) return await this.#refuseToSelectAll();

    const sets = await this.#claim();
    if (metadata.deletionTimestamp) {
      await this.#syncStatus(sets);
      return undefined;
    }
    await this.#record.markPause();
    if (paused) await this.#rescale(sets);
    else if (await this.#rollBack(sets)) return undefined;
    else if (isResized(this.#deployment, allOf(sets))) await this.#rescale(sets);
    else if (strategy?.type === 'Recreate') await this.#recreate(sets);
    else await this.#roll(sets);
    return { requeueAfterMs: this.#checkAgainInMs() };
  }

  async #refuseToSelectAll(): Promise<undefined> {
    const message = 'This deployment is selecting all pods. A non-empty selector is required.';
    this.#record.event('Warning', 'SelectingAll', message);
    const { metadata, status } = this.#deployment;
    await this.#record.updateStatus({ ...status, observedGeneration: metadata.generation });
  }

  async #claim(): Promise<DeploymentSets> {
    const deployment = this.#deployment;
    const matches = compileLabelSelector(deployment.spec!.selector);
    const claimed = await claim(ReplicaSet, (rs) => matches(rs.metadata.labels), {
      cluster: this.#cluster,
      owner: { type: Deployment, object: deployment },
      signal: this.#signal,
    });
    return splitReplicaSets(deployment, claimed);
  }

  #checkAgainInMs(): number | undefined {
    return progressCheckInMs(this.#deployment, this.#deployment.status ?? {}, this.#record.now.ms);
  }

  /** True when the Deployment was changed: the change triggers the next reconcile. */
  async #rollBack(sets: DeploymentSets): Promise<boolean> {
    const plan = planRollback(this.#deployment, allOf(sets));
    if (!plan) return false;
    const { type, reason, message } = plan.event;
    await this.#cluster.update(Deployment, plan.next, this.#signal);
    this.#record.event(type, reason, message);
    return true;
  }

  async #rescale(claimed: DeploymentSets): Promise<void> {
    const synced = await syncCurrent(this.#record, claimed);
    const scaled = await this.#scaleAll(
      synced,
      planProportionalScale(this.#deployment, synced.current, synced.old),
    );
    if (this.#deployment.spec!.paused) await this.#cleanUp(scaled);
    await this.#syncStatus(scaled);
  }

  async #roll(claimed: DeploymentSets): Promise<void> {
    const sets = await ensureCurrent(this.#record, claimed);
    if (!sets.current) return;
    const steps = await this.#nextSteps(sets, sets.current);
    const scaled = await this.#scaleAll(sets, steps);
    if (steps.length === 0) await this.#cleanUpWhenComplete(scaled);
    await this.#syncRolloutStatus(scaled);
  }

  /**
   * No pod goes as unavailable because the status of its set is behind: then the server is asked about the pods. Upstream
   * trusts the status, and may take a pod that has become available where all of them are needed.
   */
  async #nextSteps(sets: DeploymentSets, current: ReplicaSet): Promise<ScaleStep[]> {
    const deployment = this.#deployment;
    const steps = planRollingUpdate(deployment, current, sets.old);
    if (!trustsUnavailability(steps, current)) return steps;
    const { namespace } = deployment.metadata;
    const labelSelector = labelSelectorText(deployment.spec!.selector);
    const { items } = await this.#cluster.client.list(Pod, { namespace, labelSelector }, this.#signal);
    const nowMs = this.#cluster.clock.now();
    const counted = (rs: ReplicaSet) => withCountsOf(rs, items, nowMs);
    return planRollingUpdate(deployment, counted(current), sets.old.map(counted)).map(({ rs, replicas }) => ({
      rs: allOf(sets).find(({ metadata }) => metadata.uid === rs.metadata.uid)!,
      replicas,
    }));
  }

  async #recreate(claimed: DeploymentSets): Promise<void> {
    const synced = await syncCurrent(this.#record, claimed);
    const active = synced.old.filter((rs) => replicasOf(rs) > 0);
    const stopped = await this.#scaleAll(
      synced,
      active.map((rs) => ({ rs, replicas: 0 })),
    );
    if (active.length > 0 || this.#hasPods(stopped.old)) return await this.#syncRolloutStatus(stopped);
    const sets = stopped.current ? stopped : await ensureCurrent(this.#record, stopped);
    if (!sets.current) return;
    const step = { rs: sets.current, replicas: desiredReplicas(this.#deployment) };
    const started = await this.#scaleAll(sets, [step]);
    await this.#cleanUpWhenComplete(started);
    await this.#syncRolloutStatus(started);
  }

  #hasPods(sets: readonly ReplicaSet[]): boolean {
    return sets.some((rs) => this.#cluster.ownedBy(Pod, rs).some((pod) => !isPodTerminal(pod)));
  }

  /** `steps`: of sets that are among `sets`, each at most once. */
  async #scaleAll(sets: DeploymentSets, steps: readonly ScaleStep[]): Promise<DeploymentSets> {
    let scaled = sets;
    for (const step of steps) scaled = await this.#scale(scaled, step);
    return scaled;
  }

  async #scale(sets: DeploymentSets, step: ScaleStep): Promise<DeploymentSets> {
    const { rs, replicas } = step;
    const changed = scaledReplicaSet(this.#deployment, step);
    if (!changed) return sets;
    const written = await this.#cluster.update(ReplicaSet, changed, this.#signal);
    const before = replicasOf(rs);
    if (before !== replicas) {
      const direction = before < replicas ? 'up' : 'down';
      const message = `Scaled ${direction} replica set ${rs.metadata.name} from ${before} to ${replicas}`;
      this.#record.event('Normal', 'ScalingReplicaSet', message);
    }
    return withWritten(sets, rs, written);
  }

  async #cleanUpWhenComplete(sets: DeploymentSets): Promise<void> {
    if (isComplete(this.#deployment, this.#deployment.status ?? {})) await this.#cleanUp(sets);
  }

  async #cleanUp({ old }: DeploymentSets): Promise<void> {
    for (const rs of planHistoryCleanup(this.#deployment, old))
      await this.#cluster.delete(ReplicaSet, rs, this.#signal);
  }

  async #syncStatus(sets: DeploymentSets): Promise<void> {
    await this.#record.updateStatus(computeDeploymentStatus(this.#deployment, sets, this.#record.now));
  }

  async #syncRolloutStatus(sets: DeploymentSets): Promise<void> {
    await this.#record.updateStatus(computeRolloutStatus(this.#deployment, sets, this.#record.now));
  }
}
