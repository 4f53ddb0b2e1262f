/** StatefulSets: pods with stable names and claims, created and replaced in order. */

import { type Draft, keyOf } from '../../api/meta.ts';
import { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '../../api/resources.gen.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import { isAlreadyExists, isConflict } from '../../api/status.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { isInVain } from '../../client/controller/owner-check.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { claim } from '../adoption.ts';
import { slowStart } from '../batches.ts';
import { nextAvailableInMs } from '../pods/pod-state.ts';
import {
  applyRevisionPlan,
  byRevision,
  planRevision,
  planRevisionCleanup,
  RevisionCollision,
  revisionHashLabel,
  templateOf,
} from './controller-revision.ts';
import {
  forgetStatefulSet,
  noteStatefulSet,
  statefulSetMetricsOf,
} from './statefulset/statefulset-metrics.ts';
import {
  type DoneStep,
  isPodPending,
  lastRevisions,
  planStatefulSet,
  planStatefulStatus,
  type Revisions,
  type StatefulPlan,
  type StatefulStep,
  statusAfter,
} from './statefulset/statefulset-plan.ts';
import {
  claimsFor,
  hasClaimName,
  newStatefulPod,
  ordinalOf,
  planClaimOwners,
  planClaims,
  podNameOf,
  withIdentity,
} from './statefulset/statefulset-pod.ts';

const historyLimitDefault = 10;
/** Upstream gives the revisions of StatefulSets another label than their pods. */
const revisionLabel = 'controller.kubernetes.io/hash';

export const statefulSetController = defineController({
  name: 'statefulset',
  component: 'statefulset-controller',
  reconciles: StatefulSet,
  owns: [Pod, ControllerRevision],
  watches: [
    // A pod may be waiting for a claim of its name to go.
    watch(PersistentVolumeClaim, (claim, old, informers) =>
      old === claim
        ? [...informers.of(StatefulSet).inNamespace(claim.metadata.namespace ?? '')]
            .filter((set) => hasClaimName(set, claim.metadata.name))
            .map(keyOf)
        : [],
    ),
  ],
  selectorOf: (set: StatefulSet) => set.spec?.selector,
  metrics: statefulSetMetricsOf,
  async reconcile(key, cluster, signal) {
    const set = cluster.get(StatefulSet, key);
    if (!set) forgetStatefulSet(cluster.metrics, key);
    if (!set?.spec) return;
    return await new StatefulReconcile(cluster, set, signal).sync();
  },
});

/** One reconcile of one StatefulSet. */
class StatefulReconcile {
  readonly #cluster: ReconcileCluster;
  readonly #set: StatefulSet;
  readonly #signal: AbortSignal;

  constructor(cluster: ReconcileCluster, set: StatefulSet, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#set = set;
    this.#signal = signal;
  }

  async sync(): Promise<{ requeueAfterMs?: number }> {
    const set = this.#set;
    const cluster = this.#cluster;
    const owner = { type: StatefulSet, object: set };
    const matches = compileLabelSelector(set.spec!.selector);
    const isMember = (pod: Pod) => ordinalOf(set, pod) >= 0 && matches(pod.metadata.labels);
    const pods = await claim(Pod, isMember, { cluster, owner, signal: this.#signal });
    const revision = (one: ControllerRevision) => matches(one.metadata.labels);
    const known = await claim(ControllerRevision, revision, { cluster, owner, signal: this.#signal });

    const nowMs = cluster.clock.now();
    noteStatefulSet(cluster.metrics, set, pods, nowMs);
    const collisionCount = set.status?.collisionCount ?? 0;
    if (set.metadata.deletionTimestamp) {
      const status = planStatefulStatus(set, lastRevisions(set), pods, { collisionCount, nowMs });
      await cluster.updateStatus(StatefulSet, set, status, this.#signal);
      return {};
    }
    const revisions = await this.#revisions(known);
    const status = planStatefulStatus(set, revisions, pods, { collisionCount, nowMs });
    const { done, failure } = await this.#carryOut(planStatefulSet(set, revisions, pods, nowMs));
    await cluster.updateStatus(StatefulSet, set, statusAfter(set, status, done), this.#signal);
    if (failure !== undefined && !isInVain(failure)) throw failure;
    await this.#cleanUp(known, revisions, pods);
    return { requeueAfterMs: nextAvailableInMs(pods, set.spec!.minReadySeconds ?? 0, nowMs) };
  }

  async #revisions(known: readonly ControllerRevision[]): Promise<Revisions> {
    const set = this.#set;
    const owner = { type: StatefulSet, object: set };
    const { template } = set.spec!;
    const collisionCount = set.status?.collisionCount ?? 0;
    const labels = { ...template.metadata?.labels };
    const plan = planRevision({
      owner,
      template,
      known,
      collisionCount,
      labels,
      hashLabel: revisionLabel,
    });
    try {
      const update = await applyRevisionPlan(this.#cluster, owner, plan, this.#signal);
      const current = known.find((one) => one.metadata.name === set.status?.currentRevision) ?? update;
      return { current, update };
    } catch (error) {
      if (error instanceof RevisionCollision) {
        const status = {
          ...set.status,
          replicas: set.status?.replicas ?? 0,
          collisionCount: collisionCount + 1,
        };
        await this.#cluster.updateStatus(StatefulSet, set, status, this.#signal);
      }
      throw error;
    }
  }

  /** Until something fails. Pods that come and go in parallel do so in growing batches. */
  async #carryOut(plan: StatefulPlan): Promise<{ done: DoneStep[]; failure: unknown }> {
    const done: DoneStep[] = [];
    try {
      for (const { ordinal, pod } of plan.pending) {
        await this.#makeClaims(ordinal, pod);
        await this.#settleClaims(ordinal, pod, { isCondemned: false });
      }
      for (const { ordinal, pod } of plan.settled) await this.#settle(ordinal, pod);
      for (const { ordinal, pod } of plan.condemned)
        await this.#settleClaims(ordinal, pod, { isCondemned: true });
      const { failure } = await slowStart(plan.steps, async (step) => {
        const revision = await this.#act(step);
        if (revision !== undefined) done.push({ act: step.act, revision });
      });
      return { done, failure };
    } catch (failure) {
      return { done, failure };
    }
  }

  /** Returns the revision of the pod that was created or deleted; undefined when the step must wait. */
  async #act(step: StatefulStep): Promise<string | undefined> {
    switch (step.act) {
      case 'create':
        return await this.#create(step.ordinal, step.revision);
      case 'scaleDown':
      case 'replace':
      case 'update':
        return await this.#delete(step.pod);
    }
  }

  async #create(ordinal: number, revision: ControllerRevision): Promise<string | undefined> {
    const set = this.#set;
    const name = podNameOf(set, ordinal);
    let pod: Pod;
    try {
      if (!(await this.#makeClaims(ordinal, undefined))) return undefined;
      const draft = newStatefulPod(set, templateOf(revision), ordinal, revision.metadata.name);
      pod = await this.#cluster.create(Pod, draft, this.#signal);
      this.#podEvent('Create', name);
    } catch (error) {
      // A pod of that name belongs to another owner or is being deleted: wait, without an event.
      if (!isAlreadyExists(error)) this.#podEvent('Create', name, error);
      throw error;
    }
    await this.#settleClaims(ordinal, pod, { isCondemned: false });
    return revision.metadata.name;
  }

  async #delete(pod: Pod): Promise<string | undefined> {
    try {
      await this.#cluster.delete(Pod, pod, this.#signal);
    } catch (error) {
      this.#podEvent('Delete', pod.metadata.name, error);
      throw error;
    }
    this.#podEvent('Delete', pod.metadata.name);
    return pod.metadata.labels?.[revisionHashLabel] ?? '';
  }

  /** False when a claim of an earlier pod must go first. */
  async #makeClaims(ordinal: number, pod: Pod | undefined): Promise<boolean> {
    const set = this.#set;
    const claimOf = (key: string) => this.#cluster.get(PersistentVolumeClaim, key);
    const { create, blockedBy } = planClaims(set, ordinal, pod, claimOf);
    // Claims are not owned by their set from the start: claims made for a deleted set would never be collected.
    if (create.length > 0 && !(await this.#cluster.stays(set, this.#signal))) return false;
    for (const draft of create) await this.#makeClaim(draft, podNameOf(set, ordinal));
    if (blockedBy === undefined) return true;
    if (!pod) throw new Error(`pvc ${blockedBy} is being deleted`);
    return false;
  }

  async #makeClaim(draft: Draft<PersistentVolumeClaim>, podName: string): Promise<void> {
    const claimName = draft.metadata.name;
    const setName = this.#set.metadata.name;
    try {
      await this.#cluster.create(PersistentVolumeClaim, draft, this.#signal);
    } catch (error) {
      if (isAlreadyExists(error)) return;
      if (!this.#signal.aborted && !isInVain(error)) {
        const what = `create Claim ${claimName} for Pod ${podName} in StatefulSet ${setName}`;
        this.#event('Warning', 'FailedCreate', `${what} failed error: ${messageOf(error)}`);
      }
      throw isInVain(error)
        ? error
        : new Error(`failed to create PVC ${claimName}: ${messageOf(error)}`, { cause: error });
    }
    const what = `create Claim ${claimName} Pod ${podName} in StatefulSet ${setName} success`;
    this.#event('Normal', 'SuccessfulCreate', what);
  }

  /** Corrects what an existing pod lacks for its ordinal. */
  async #settle(ordinal: number, pod: Pod): Promise<void> {
    const changed = withIdentity(pod, ordinal);
    try {
      if (changed) await this.#cluster.update(Pod, changed, this.#signal);
    } catch (error) {
      this.#podEvent('Update', pod.metadata.name, error);
      throw error;
    }
    // Those of a pending pod have just been looked at.
    const claimsChanged =
      !isPodPending(pod) && (await this.#settleClaims(ordinal, pod, { isCondemned: false }));
    if (changed || claimsChanged) this.#podEvent('Update', pod.metadata.name);
  }

  /** Makes the claims' owners what the policy says. True when one was changed. */
  async #settleClaims(ordinal: number, pod: Pod, fate: { isCondemned: boolean }): Promise<boolean> {
    const { namespace } = this.#set.metadata;
    let isChanged = false;
    for (const { metadata } of claimsFor(this.#set, ordinal)) {
      const present = this.#cluster.get(PersistentVolumeClaim, `${namespace}/${metadata.name}`);
      if (!present) continue;
      const { owners, isContested } = planClaimOwners(this.#set, present, pod, fate);
      if (isContested && (owners || isPodPending(pod)))
        this.#event('Warning', 'ConflictingController', contested(metadata.name!));
      if (!owners) continue;
      const changed = { ...present, metadata: { ...present.metadata, ownerReferences: owners } };
      try {
        await this.#cluster.update(PersistentVolumeClaim, changed, this.#signal);
      } catch (error) {
        const why = `could not update claim ${metadata.name} for delete policy ownerRefs: ${messageOf(error)}`;
        this.#podEvent('Update', pod.metadata.name, isConflict(error) ? error : new Error(why));
        throw error;
      }
      isChanged = true;
    }
    return isChanged;
  }

  async #cleanUp(
    known: readonly ControllerRevision[],
    { current, update }: Revisions,
    pods: readonly Pod[],
  ): Promise<void> {
    const used = new Set([current.metadata.name, update.metadata.name]);
    for (const pod of pods) used.add(pod.metadata.labels?.[revisionHashLabel] ?? '');
    const limit = this.#set.spec!.revisionHistoryLimit ?? historyLimitDefault;
    for (const revision of planRevisionCleanup([...known].sort(byRevision), used, limit))
      await this.#cluster.delete(ControllerRevision, revision, this.#signal);
  }

  /** Records the outcome of a step. A conflict is not reported: the next attempt resolves it. */
  #podEvent(verb: 'Create' | 'Delete' | 'Update', podName: string, error?: unknown): void {
    const what = `${verb.toLowerCase()} Pod ${podName} in StatefulSet ${this.#set.metadata.name}`;
    if (error === undefined) this.#event('Normal', `Successful${verb}`, `${what} successful`);
    else if (!this.#signal.aborted && !isInVain(error) && !isConflict(error))
      this.#event('Warning', `Failed${verb}`, `${what} failed error: ${messageOf(error)}`);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.event(targetOf(StatefulSet, this.#set), type, reason, message);
  }
}

/** Upstream's words, its spelling included. */
function contested(claimName: string): string {
  return `PersistentVolumeClaim ${claimName} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim`;
}
