/** Which nodes a DaemonSet runs on, and which of its pods are created and deleted. Decides; never acts. */
import { compileRequirement } from '../../../api/label-selector.ts';
import type { DaemonSet, Node, Pod } from '../../../api/resources.gen.ts';
import type * as apps from '../../../api/types/apps-v1.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { scaledValue } from '../../int-or-percent.ts';
import { tolerates } from '../../nodes/node-state.ts';
import { byCreation } from '../../pod-control.ts';
import { isPodAvailable, isPodReady } from '../../pod-state.ts';
import { revisionHashLabel } from '../controller-revision.ts';

export interface NodeFit {
  shouldRun: boolean;
  /** A pod that already runs there may stay. */
  shouldContinue: boolean;
}

/** Taints of a node in trouble do not keep daemons away: daemons are what repairs it. */
const ownTolerations: readonly core.Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];
const hostNetworkToleration: core.Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
  effect: 'NoSchedule',
};

function daemonTolerations(spec: core.PodSpec): core.Toleration[] {
  const added = spec.hostNetwork ? [...ownTolerations, hostNetworkToleration] : ownTolerations;
  const own = spec.tolerations ?? [];
  const isThere = (one: core.Toleration) =>
    own.some(
      (other) => other.key === one.key && other.effect === one.effect && other.operator === one.operator,
    );
  return [...own, ...added.filter((one) => !isThere(one))];
}

export function fitNode(set: DaemonSet, node: Node): NodeFit {
  const spec = set.spec!.template.spec!;
  const never = { shouldRun: false, shouldContinue: false };
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return never;
  if (!matchesNodeSelection(spec, node)) return never;
  const tolerations = daemonTolerations(spec);
  const untolerated = (node.spec?.taints ?? []).filter(
    (taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((one) => tolerates(one, taint)),
  );
  if (untolerated.length === 0) return { shouldRun: true, shouldContinue: true };
  return { shouldRun: false, shouldContinue: untolerated.every((taint) => taint.effect !== 'NoExecute') };
}

function matchesNodeSelection(spec: core.PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) if (labels[key] !== value) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return true;
  const fields = { 'metadata.name': node.metadata.name };
  return required.nodeSelectorTerms.some((term) => {
    const expressions = term.matchExpressions ?? [];
    const matchFields = term.matchFields ?? [];
    if (expressions.length + matchFields.length === 0) return false;
    const holds = (rows: readonly core.NodeSelectorRequirement[], values: Record<string, string>) =>
      rows.every(({ key, operator, values: wanted = [] }) =>
        compileRequirement(key, operator, wanted)(values),
      );
    return holds(expressions, labels) && holds(matchFields, fields);
  });
}

/** The set's pods by node: the one they run on, or the one they are meant for. */
export function podsByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const node = targetNodeOf(pod);
    if (!node) continue;
    const list = byNode.get(node);
    if (list) list.push(pod);
    else byNode.set(node, [pod]);
  }
  return byNode;
}

export function targetNodeOf(pod: Pod): string | undefined {
  if (pod.spec?.nodeName) return pod.spec.nodeName;
  const terms =
    pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  for (const term of terms ?? [])
    for (const field of term.matchFields ?? [])
      if (field.key === 'metadata.name' && field.operator === 'In' && field.values?.length === 1)
        return field.values[0];
  return undefined;
}

/** The template's spec, tied to one node for the scheduler. */
export function specForNode(spec: core.PodSpec, node: string): core.PodSpec {
  const byName = { matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: [node] }] };
  const { affinity } = spec;
  return {
    ...spec,
    tolerations: daemonTolerations(spec),
    affinity: {
      ...affinity,
      nodeAffinity: {
        ...affinity?.nodeAffinity,
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [byName] },
      },
    },
  };
}

export interface DaemonPlan {
  /** Nodes that get a pod. */
  create: string[];
  remove: Pod[];
  /** Pods among `remove` that ended on their own, for events and back-off. */
  ended: Pod[];
  /**
   * Pods among `remove` that are not serving, so that their loss costs nothing: one that has become ready meanwhile
   * must stay.
   */
  broken: Pod[];
}

export interface DaemonView {
  set: DaemonSet;
  nodes: readonly Node[];
  pods: ReadonlyMap<string, readonly Pod[]>;
  /** Hash of the present template. */
  hash: string;
  nowMs: number;
}

const oldestFirst = (pods: readonly Pod[]) =>
  [...pods].sort(
    (a, b) => Number(Boolean(b.spec?.nodeName)) - Number(Boolean(a.spec?.nodeName)) || byCreation(a, b),
  );

/** One pod on every node that should have one, none elsewhere. */
export function planDaemons(view: DaemonView): DaemonPlan {
  const { set, nodes, pods } = view;
  const plan: DaemonPlan = { create: [], remove: [], ended: [], broken: [] };
  const known = new Set<string>();
  for (const node of nodes) {
    const { name } = node.metadata;
    known.add(name);
    const { shouldRun, shouldContinue } = fitNode(set, node);
    const present = pods.get(name) ?? [];
    if (present.length === 0) {
      if (shouldRun) plan.create.push(name);
    } else if (shouldContinue) {
      planPresent(view, present, plan);
    } else {
      plan.remove.push(...present.filter((pod) => !pod.metadata.deletionTimestamp));
    }
  }
  // Pods that wait for a deleted node would wait forever.
  for (const [name, present] of pods)
    if (!known.has(name))
      plan.remove.push(...present.filter((pod) => !pod.spec?.nodeName && !pod.metadata.deletionTimestamp));
  return plan;
}

function planPresent(view: DaemonView, present: readonly Pod[], plan: DaemonPlan): void {
  const running: Pod[] = [];
  for (const pod of present) {
    if (pod.metadata.deletionTimestamp) continue;
    if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') plan.ended.push(pod);
    else running.push(pod);
  }
  if (running.length <= 1) return;
  if (surgeOf(view.set, 1) === 0) {
    plan.remove.push(...oldestFirst(running).slice(1));
    return;
  }
  // During a surge the old pod serves until the new one is ready; until then there may be two.
  const isNew = (pod: Pod) => pod.metadata.labels?.[revisionHashLabel] === view.hash;
  const [newest] = oldestFirst(running.filter(isNew));
  const [oldest] = oldestFirst(running.filter((pod) => !isNew(pod)));
  const minReadySeconds = view.set.spec!.minReadySeconds ?? 0;
  const isTakenOver = newest !== undefined && isPodAvailable(newest, minReadySeconds, view.nowMs);
  const isOldOfUse = oldest !== undefined && isPodReady(oldest) && !isTakenOver;
  const kept = new Set([newest, ...(isOldOfUse || !newest ? [oldest] : [])]);
  plan.remove.push(...running.filter((pod) => !kept.has(pod)));
}

function surgeOf(set: DaemonSet, desired: number): number {
  const strategy = set.spec!.updateStrategy;
  if (strategy?.type === 'OnDelete') return 0;
  return scaledValue(strategy?.rollingUpdate?.maxSurge ?? 0, desired, 'up');
}

/** The next pods to replace in a rolling update, beyond {@link planDaemons}. */
export function planDaemonUpdate(view: DaemonView): Omit<DaemonPlan, 'ended'> {
  const { set, nodes, pods, hash, nowMs } = view;
  const nothing = { create: [], remove: [], broken: [] };
  if (set.spec!.updateStrategy?.type === 'OnDelete') return nothing;
  const eligible = nodes.filter((node) => fitNode(set, node).shouldRun);
  const maxSurge = surgeOf(set, eligible.length);
  const configured = set.spec!.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  let maxUnavailable = scaledValue(configured, eligible.length, 'up');
  if (maxSurge === 0 && maxUnavailable === 0) maxUnavailable = 1;
  const minReadySeconds = set.spec!.minReadySeconds ?? 0;
  const isAvailable = (pod: Pod) => isPodAvailable(pod, minReadySeconds, nowMs);

  let unavailable = 0;
  let surging = 0;
  const broken: Pod[] = [];
  const candidates: { node: string; pod: Pod }[] = [];
  const create: string[] = [];
  const remove: Pod[] = [];
  for (const node of eligible) {
    const { name } = node.metadata;
    const live = oldestFirst((pods.get(name) ?? []).filter((pod) => !pod.metadata.deletionTimestamp));
    const newPod = live.find((pod) => pod.metadata.labels?.[revisionHashLabel] === hash);
    const oldPod = live.find((pod) => pod.metadata.labels?.[revisionHashLabel] !== hash);
    if (maxSurge > 0) {
      if (newPod && oldPod) {
        surging++;
        if (isAvailable(newPod)) remove.push(oldPod);
      } else if (oldPod && !isAvailable(oldPod)) {
        // The pod is not serving: a second one beside it costs nothing.
        create.push(name);
      } else if (oldPod) candidates.push({ node: name, pod: oldPod });
      continue;
    }
    if (Boolean(oldPod) === Boolean(newPod)) unavailable++;
    else if (newPod) unavailable += isAvailable(newPod) ? 0 : 1;
    else if (!isAvailable(oldPod!)) broken.push(oldPod!);
    else candidates.push({ node: name, pod: oldPod! });
  }
  if (maxSurge > 0) {
    const room = Math.max(0, maxSurge - surging);
    return { create: [...create, ...candidates.slice(0, room).map(({ node }) => node)], remove, broken };
  }
  const room = Math.max(0, maxUnavailable - unavailable - broken.length);
  return { create: [], remove: [...broken, ...candidates.slice(0, room).map(({ pod }) => pod)], broken };
}

export function planDaemonStatus(view: DaemonView, collisionCount: number): apps.DaemonSetStatus {
  const { set, nodes, pods, hash, nowMs } = view;
  const status: Required<Omit<apps.DaemonSetStatus, 'conditions' | 'collisionCount' | 'observedGeneration'>> =
    {
      desiredNumberScheduled: 0,
      currentNumberScheduled: 0,
      numberMisscheduled: 0,
      numberReady: 0,
      updatedNumberScheduled: 0,
      numberAvailable: 0,
      numberUnavailable: 0,
    };
  for (const node of nodes) {
    const present = oldestFirst(pods.get(node.metadata.name) ?? []);
    const [pod] = present;
    if (!fitNode(set, node).shouldRun) {
      if (pod) status.numberMisscheduled++;
      continue;
    }
    status.desiredNumberScheduled++;
    if (!pod) continue;
    status.currentNumberScheduled++;
    if (isPodReady(pod)) status.numberReady++;
    if (isPodAvailable(pod, set.spec!.minReadySeconds ?? 0, nowMs)) status.numberAvailable++;
    if (pod.metadata.labels?.[revisionHashLabel] === hash) status.updatedNumberScheduled++;
  }
  status.numberUnavailable = status.desiredNumberScheduled - status.numberAvailable;
  return {
    ...status,
    observedGeneration: set.metadata.generation,
    ...(collisionCount > 0 && { collisionCount }),
  };
}
