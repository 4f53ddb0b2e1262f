/** DaemonSets: one pod on each eligible node. */
import { compileLabelSelector } from '../../api/label-selector.ts';
import type { Draft, KubeObject } from '../../api/meta.ts';
import { keyOf } from '../../api/meta.ts';
import { ControllerRevision, DaemonSet, Node, Pod } from '../../api/resources.gen.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import {
  type AnyController,
  defineController,
  quietMsFor,
  type ReconcileOutcome,
  watch,
} from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { claim, type Owner } from '../adoption.ts';
import { allAtOnce, isInVain, PodControl, slowStart } from '../pod-control.ts';
import { nextAvailableInMs } from '../pod-state.ts';
import { podFromTemplate } from '../pod-template.ts';
import {
  applyRevisionPlan,
  planRevision,
  planRevisionCleanup,
  RevisionCollision,
  revisionHashLabel,
} from './controller-revision.ts';
import {
  type DaemonPlan,
  type DaemonView,
  planDaemonStatus,
  planDaemons,
  planDaemonUpdate,
  podsByNode,
  specForNode,
  targetNodeOf,
} from './daemonset-plan.ts';

const burst = 250;
const historyLimit = 10;
const generationAnnotation = 'deprecated.daemonset.template.generation';
const generationLabel = 'pod-template-generation';
const failedPodBackoff = { firstMs: 1_000, maxMs: 15 * 60_000 };

export function daemonSetController(): AnyController {
  /** How often pods failed on a node, by set and node. */
  const failures = new Map<string, { count: number; untilMs: number }>();
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
  failures: Map<string, { count: number; untilMs: number }>,
  signal: AbortSignal,
): Promise<ReconcileOutcome | undefined> {
  const { selector } = set.spec!;
  if (Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions?.length ?? 0) === 0) {
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

  let failure: unknown;
  let retryInMs: number | undefined;
  if (!set.metadata.deletionTimestamp) {
    const plan = planDaemons(view);
    retryInMs = replaceEnded(cluster, set, plan, failures);
    const isSettled = plan.create.length + plan.remove.length === 0;
    // Replacement starts from a settled set: missing and surplus pods are dealt with first.
    if (isSettled) Object.assign(plan, planDaemonUpdate(view));
    failure = await applyPlan(cluster, { owner, set, hash, plan }, signal);
    await cleanUp(cluster, { set, known, current: revision, pods }, signal);
  }
  // Includes what is not yet in the cache: pods just created count from the start.
  const after = { ...view, pods: podsByNode(cluster.ownedBy(Pod, set)) };
  await cluster.updateStatus(
    DaemonSet,
    set,
    planDaemonStatus(after, set.status?.collisionCount ?? 0),
    signal,
  );
  if (failure !== undefined && !isInVain(failure)) throw failure;
  const times = [nextAvailableInMs(pods, set.spec!.minReadySeconds ?? 0, nowMs), retryInMs];
  const soonest = times.filter((ms) => ms !== undefined);
  const quietMs = quietMsFor(nodes.length);
  return soonest.length > 0 ? { requeueAfterMs: Math.min(...soonest), quietMs } : { quietMs };
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

/** Moves ended pods into the plan, except those in back-off; returns the time until the next may be replaced. */
function replaceEnded(
  cluster: ReconcileCluster,
  set: DaemonSet,
  plan: DaemonPlan,
  failures: Map<string, { count: number; untilMs: number }>,
): number | undefined {
  let retryInMs: number | undefined;
  const nowMs = cluster.clock.monotonic();
  for (const pod of plan.ended) {
    const { namespace, name } = pod.metadata;
    const node = targetNodeOf(pod);
    const place = `${namespace}/${name} on node ${node}`;
    if (pod.status?.phase === 'Succeeded') {
      const message = `Found succeeded daemon pod ${place}, will try to delete it`;
      cluster.event(targetOf(DaemonSet, set), 'Normal', 'SucceededDaemonPod', message);
      plan.remove.push(pod);
      continue;
    }
    const key = `${keyOf(set)} ${node}`;
    const past = failures.get(key);
    if (past && past.untilMs > nowMs) {
      retryInMs = Math.min(retryInMs ?? Number.POSITIVE_INFINITY, past.untilMs - nowMs);
      continue;
    }
    const count = (past?.count ?? 0) + 1;
    failures.set(key, { count, untilMs: nowMs + backoffDelayMs(failedPodBackoff, count - 1) });
    const message = `Found failed daemon pod ${place}, will try to kill it`;
    cluster.event(targetOf(DaemonSet, set), 'Warning', 'FailedDaemonPod', message);
    plan.remove.push(pod);
  }
  return retryInMs;
}

async function applyPlan(
  cluster: ReconcileCluster,
  { owner, set, hash, plan }: { owner: Owner; set: DaemonSet; hash: string; plan: DaemonPlan },
  signal: AbortSignal,
): Promise<unknown> {
  const control = new PodControl(cluster, owner, signal);
  const nodes = plan.create.slice(0, burst);
  const created = await slowStart(nodes, (node) => control.create(podFor(set, owner, node, hash)));
  const removed = await allAtOnce(plan.remove.slice(0, burst), (pod) =>
    control.delete(pod, { onlyAsSeen: plan.broken.includes(pod) }),
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
  const limit = set.spec!.revisionHistoryLimit ?? historyLimit;
  for (const revision of planRevisionCleanup(known, used, limit))
    await cluster.delete(ControllerRevision, revision, signal);
}
