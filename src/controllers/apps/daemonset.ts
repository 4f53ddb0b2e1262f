/** DaemonSets: one pod on each eligible node. */

import type { Draft, KubeObject } from '../../api/meta.ts';
import { keyOf } from '../../api/meta.ts';
import { ControllerRevision, DaemonSet, Node, Pod } from '../../api/resources.gen.ts';
import { compileLabelSelector, isEmptySelector } from '../../api/selectors/label-selector.ts';
import { leastOf } from '../../base/least-of.ts';
import {
  type AnyController,
  defineController,
  quietMsFor,
  type ReconcileOutcome,
  watch,
} from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { isInVain } from '../../client/controller/owner-check.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { claim, type Owner } from '../adoption.ts';
import { allAtOnce, slowStart } from '../batches.ts';
import { PodControl } from '../pods/pod-control.ts';
import { nextAvailableInMs } from '../pods/pod-state.ts';
import { podFromTemplate } from '../pods/pod-template.ts';
import {
  applyRevisionPlan,
  planRevision,
  planRevisionCleanup,
  RevisionCollision,
  revisionHashLabel,
} from './controller-revision.ts';
import { type NodeFailures, planEnded } from './daemonset/daemonset-ended.ts';
import {
  type DaemonSteps,
  type DaemonView,
  planDaemonStatus,
  planDaemons,
  planDaemonUpdate,
  podsByNode,
  specForNode,
} from './daemonset/daemonset-plan.ts';

/** Pods that one reconcile creates, and as many that it deletes; upstream's. */
const podsPerReconcileMax = 250;
const historyLimitDefault = 10;
const generationAnnotation = 'deprecated.daemonset.template.generation';
const generationLabel = 'pod-template-generation';

export function daemonSetController(): AnyController {
  /** By set and node. */
  const failures = new Map<string, NodeFailures>();
  return defineController({
    name: 'daemonset',
    component: 'daemonset-controller',
    reconciles: DaemonSet,
    owns: [Pod, ControllerRevision],
    selectorOf: (set: DaemonSet) => set.spec?.selector,
    watches: [
      watch(Node, function* (node, old, informers) {
        const isNews =
          !old ||
          old === node ||
          !isSame(old.metadata.labels, node.metadata.labels) ||
          !isSame(old.spec?.taints, node.spec?.taints);
        if (isNews) for (const set of informers.of(DaemonSet).list()) yield keyOf(set);
      }),
    ],
    async reconcile(key, cluster, signal) {
      const set = cluster.get(DaemonSet, key);
      if (!set?.spec) {
        for (const entry of failures.keys()) if (entry.startsWith(`${key} `)) failures.delete(entry);
        return;
      }
      return await syncDaemonSet(cluster, set, failures, signal);
    },
  });
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

async function syncDaemonSet(
  cluster: ReconcileCluster,
  set: DaemonSet,
  failures: Map<string, NodeFailures>,
  signal: AbortSignal,
): Promise<ReconcileOutcome | undefined> {
  const { selector } = set.spec!;
  if (isEmptySelector(selector)) {
    const message = 'This daemon set is selecting all pods. A non-empty selector is required.';
    cluster.event(targetOf(DaemonSet, set), 'Warning', 'SelectingAll', message);
    return;
  }
  const owner = { type: DaemonSet, object: set };
  const matches = compileLabelSelector(selector);
  const isMatch = (object: KubeObject) => matches(object.metadata.labels);
  const pods = await claim(Pod, isMatch, { cluster, owner, signal });
  const known = await claim(ControllerRevision, isMatch, { cluster, owner, signal });
  const revision = await currentRevision(cluster, set, known, signal);
  const hash = revision.metadata.labels?.[revisionHashLabel] ?? '';
  const nowMs = cluster.clock.now();
  const nodes = [...cluster.informer(Node).list()];
  const view: DaemonView = { set, nodes, pods: podsByNode(pods), hash, nowMs };

  const isLeaving = set.metadata.deletionTimestamp !== undefined;
  const { failure, retryInMs } = isLeaving ? noSteps : await takeSteps(cluster, view, failures, signal);
  if (!isLeaving) await cleanUp(cluster, { set, known, current: revision, pods }, signal);
  // Includes what is not yet in the cache: pods just created count from the start.
  const after = { ...view, pods: podsByNode(cluster.ownedBy(Pod, set)) };
  await cluster.updateStatus(DaemonSet, set, planDaemonStatus(after, set.status?.collisionCount), signal);
  if (failure !== undefined && !isInVain(failure)) throw failure;
  const nextMs = nextAvailableInMs(pods, set.spec!.minReadySeconds ?? 0, nowMs);
  return { requeueAfterMs: leastOf(nextMs, retryInMs), quietMs: quietMsFor(nodes.length) };
}

const noSteps = { failure: undefined, retryInMs: undefined };

/** Creates and removes what is planned. Returns the first failure, and when a pod that has ended may be replaced. */
async function takeSteps(
  cluster: ReconcileCluster,
  view: DaemonView,
  failures: Map<string, NodeFailures>,
  signal: AbortSignal,
): Promise<{ failure: unknown; retryInMs: number | undefined }> {
  const { set } = view;
  const plan = planDaemons(view);
  const failuresOn = (node: string) => failures.get(`${keyOf(set)} ${node}`);
  const ended = planEnded(plan.ended, failuresOn, cluster.clock.monotonic());
  for (const { type, reason, message } of ended.events)
    cluster.event(targetOf(DaemonSet, set), type, reason, message);
  for (const [node, failed] of ended.failed) failures.set(`${keyOf(set)} ${node}`, failed);
  const steps = { ...plan, remove: [...plan.remove, ...ended.remove] };
  // Replacement starts from a settled set: missing and surplus pods are dealt with first.
  const isSettled = steps.create.length + steps.remove.length === 0;
  const failure = await applySteps(cluster, view, isSettled ? planDaemonUpdate(view) : steps, signal);
  return { failure, retryInMs: ended.retryInMs };
}

async function currentRevision(
  cluster: ReconcileCluster,
  set: DaemonSet,
  known: readonly ControllerRevision[],
  signal: AbortSignal,
): Promise<ControllerRevision> {
  const owner = { type: DaemonSet, object: set };
  const { template } = set.spec!;
  const collisionCount = set.status?.collisionCount ?? 0;
  const labels = { ...template.metadata?.labels };
  try {
    const plan = planRevision({ owner, template, known, collisionCount, labels });
    return await applyRevisionPlan(cluster, owner, plan, signal);
  } catch (error) {
    if (error instanceof RevisionCollision) {
      const view = { set, nodes: [], pods: new Map(), hash: '', nowMs: 0 };
      const status = set.status ?? planDaemonStatus(view, 0);
      await cluster.updateStatus(DaemonSet, set, { ...status, collisionCount: collisionCount + 1 }, signal);
    }
    throw error;
  }
}

async function applySteps(
  cluster: ReconcileCluster,
  { set, hash }: DaemonView,
  { create, remove, broken }: DaemonSteps,
  signal: AbortSignal,
): Promise<unknown> {
  const owner = { type: DaemonSet, object: set };
  const control = new PodControl(cluster, owner, signal);
  const created = await slowStart(create.slice(0, podsPerReconcileMax), (node) =>
    control.create(podFor(set, owner, node, hash)),
  );
  const removed = await allAtOnce(remove.slice(0, podsPerReconcileMax), (pod) =>
    control.delete(pod, { onlyAsSeen: broken.includes(pod) }),
  );
  return created.failure ?? removed.failure;
}

function podFor(set: DaemonSet, owner: Owner, node: string, hash: string): Draft<Pod> {
  const { template } = set.spec!;
  const pod = podFromTemplate(template, owner);
  const generation = set.metadata.annotations?.[generationAnnotation];
  const labels = {
    ...pod.metadata.labels,
    [revisionHashLabel]: hash,
    ...(generation && { [generationLabel]: generation }),
  };
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: specForNode(template.spec!, node),
  } as Draft<Pod>;
}

interface DaemonHistory {
  set: DaemonSet;
  known: readonly ControllerRevision[];
  current: ControllerRevision;
  pods: readonly Pod[];
}

/** Removes revisions that no pod uses, beyond the set's history limit. */
async function cleanUp(
  cluster: ReconcileCluster,
  { set, known, current, pods }: DaemonHistory,
  signal: AbortSignal,
): Promise<void> {
  const hashes = new Set(pods.map((pod) => pod.metadata.labels?.[revisionHashLabel]));
  const used = new Set([current.metadata.name]);
  for (const revision of known)
    if (hashes.has(revision.metadata.labels?.[revisionHashLabel])) used.add(revision.metadata.name);
  const limit = set.spec!.revisionHistoryLimit ?? historyLimitDefault;
  for (const revision of planRevisionCleanup(known, used, limit))
    await cluster.delete(ControllerRevision, revision, signal);
}
