/** Which nodes a DaemonSet runs on, and which of its pods are created and deleted. Decides; never acts. */

import type { DaemonSet, Node, Pod } from '../../../api/resources.gen.ts';
import { compileRequirement } from '../../../api/selectors/label-selector.ts';
import type * as apps from '../../../api/types/apps-v1.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { nodeTaints } from '../../../api/well-known.ts';
import { byCreation } from '../../by-creation.ts';
import { scaledValue } from '../../int-or-percent.ts';
import { tolerates } from '../../nodes/node-state.ts';
import { isPodAvailable, isPodReady, isPodTerminal } from '../../pods/pod-state.ts';
import { revisionHashLabel } from '../controller-revision.ts';

export interface NodeFit {
  shouldRun: boolean;
  /** A pod that already runs there may stay. */
  shouldContinue: boolean;
}

/** Taints of a node in trouble do not keep daemons away: daemons are what repairs it. */
const ownTolerations: readonly core.Toleration[] = [
  { key: nodeTaints.notReady, operator: 'Exists', effect: 'NoExecute' },
  { key: nodeTaints.unreachable, operator: 'Exists', effect: 'NoExecute' },
  { key: nodeTaints.diskPressure, operator: 'Exists', effect: 'NoSchedule' },
  { key: nodeTaints.memoryPressure, operator: 'Exists', effect: 'NoSchedule' },
  { key: nodeTaints.pidPressure, operator: 'Exists', effect: 'NoSchedule' },
  { key: nodeTaints.unschedulable, operator: 'Exists', effect: 'NoSchedule' },
];
const hostNetworkToleration: core.Toleration = {
  key: nodeTaints.networkUnavailable,
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

export interface DaemonSteps {
  /** Nodes that get a pod. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  /**
   * Pods among `remove` that are not serving, so that their loss costs nothing: one that has become ready meanwhile
   * must stay.
   */
  readonly broken: readonly Pod[];
}

export interface DaemonPlan extends DaemonSteps {
  /** Pods that ended on their own: they are removed as well, though with events, and perhaps later. */
  readonly ended: readonly Pod[];
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
  const create: string[] = [];
  const remove: Pod[] = [];
  const ended: Pod[] = [];
  const known = new Set<string>();
  for (const node of nodes) {
    const { name } = node.metadata;
    known.add(name);
    const { shouldRun, shouldContinue } = fitNode(set, node);
    const present = pods.get(name) ?? [];
    const live = present.filter((pod) => !pod.metadata.deletionTimestamp);
    if (present.length === 0 && shouldRun) create.push(name);
    if (!shouldContinue) {
      remove.push(...live);
      continue;
    }
    ended.push(...live.filter(isPodTerminal));
    remove.push(
      ...surplusOf(
        view,
        live.filter((pod) => !isPodTerminal(pod)),
      ),
    );
  }
  // Pods that wait for a deleted node would wait forever.
  for (const [name, present] of pods)
    if (!known.has(name))
      remove.push(...present.filter((pod) => !pod.spec?.nodeName && !pod.metadata.deletionTimestamp));
  return { create, remove, ended, broken: [] };
}

/** Those of a node's running pods that are too many. */
function surplusOf({ set, hash, nowMs }: DaemonView, running: readonly Pod[]): Pod[] {
  if (running.length <= 1) return [];
  if (surgeOf(set, 1) === 0) return oldestFirst(running).slice(1);
  // During a surge the old pod serves until the new one is ready; until then there may be two.
  const isNew = (pod: Pod) => pod.metadata.labels?.[revisionHashLabel] === hash;
  const [newest] = oldestFirst(running.filter(isNew));
  const [oldest] = oldestFirst(running.filter((pod) => !isNew(pod)));
  const minReadySeconds = set.spec!.minReadySeconds ?? 0;
  const isTakenOver = newest !== undefined && isPodAvailable(newest, minReadySeconds, nowMs);
  const isOldOfUse = oldest !== undefined && isPodReady(oldest) && !isTakenOver;
  const kept = new Set([newest, ...(isOldOfUse || !newest ? [oldest] : [])]);
  return running.filter((pod) => !kept.has(pod));
}

function surgeOf(set: DaemonSet, desired: number): number {
  const strategy = set.spec!.updateStrategy;
  if (strategy?.type === 'OnDelete') return 0;
  return scaledValue(strategy?.rollingUpdate?.maxSurge ?? 0, desired, 'up');
}

/** The newest and the outdated pod of a node that should run one. */
interface NodeDaemons {
  node: string;
  newPod: Pod | undefined;
  oldPod: Pod | undefined;
}

/** The next pods to replace in a rolling update, beyond {@link planDaemons}. */
export function planDaemonUpdate(view: DaemonView): DaemonSteps {
  const { set, nowMs } = view;
  const { updateStrategy: strategy, minReadySeconds = 0 } = set.spec!;
  if (strategy?.type === 'OnDelete') return { create: [], remove: [], broken: [] };
  const daemons = daemonsByNode(view);
  const isAvailable = (pod: Pod) => isPodAvailable(pod, minReadySeconds, nowMs);
  const maxSurge = surgeOf(set, daemons.length);
  if (maxSurge > 0) return planSurge(daemons, maxSurge, isAvailable);
  const configured = strategy?.rollingUpdate?.maxUnavailable ?? 1;
  const maxUnavailable = Math.max(1, scaledValue(configured, daemons.length, 'up'));
  return planReplacement(daemons, maxUnavailable, isAvailable);
}

function daemonsByNode({ set, nodes, pods, hash }: DaemonView): NodeDaemons[] {
  const eligible = nodes.filter((node) => fitNode(set, node).shouldRun);
  return eligible.map(({ metadata: { name } }) => {
    const live = oldestFirst((pods.get(name) ?? []).filter((pod) => !pod.metadata.deletionTimestamp));
    const isNew = (pod: Pod) => pod.metadata.labels?.[revisionHashLabel] === hash;
    return { node: name, newPod: live.find(isNew), oldPod: live.find((pod) => !isNew(pod)) };
  });
}

/** New pods come beside the old ones, which go once those are available. */
function planSurge(
  daemons: readonly NodeDaemons[],
  maxSurge: number,
  isAvailable: (pod: Pod) => boolean,
): DaemonSteps {
  const outdated = daemons.filter(({ oldPod }) => oldPod !== undefined);
  const surging = outdated.filter(({ newPod }) => newPod !== undefined);
  const single = outdated.filter(({ newPod }) => newPod === undefined);
  // Beside a pod that does not serve a second one costs nothing.
  const idle = single.filter(({ oldPod }) => !isAvailable(oldPod!));
  const serving = single.filter(({ oldPod }) => isAvailable(oldPod!));
  const room = Math.max(0, maxSurge - surging.length);
  return {
    create: [...idle, ...serving.slice(0, room)].map(({ node }) => node),
    remove: surging.filter(({ newPod }) => isAvailable(newPod!)).map(({ oldPod }) => oldPod!),
    broken: [],
  };
}

/** Old pods go first, as many as may be unavailable; those that do not serve go anyway. */
function planReplacement(
  daemons: readonly NodeDaemons[],
  maxUnavailable: number,
  isAvailable: (pod: Pod) => boolean,
): DaemonSteps {
  let unavailable = 0;
  const broken: Pod[] = [];
  const serving: Pod[] = [];
  for (const { newPod, oldPod } of daemons) {
    if (newPod && !oldPod) unavailable += isAvailable(newPod) ? 0 : 1;
    else if (!oldPod || newPod) unavailable++;
    else (isAvailable(oldPod) ? serving : broken).push(oldPod);
  }
  const room = Math.max(0, maxUnavailable - unavailable - broken.length);
  return { create: [], remove: [...broken, ...serving.slice(0, room)], broken };
}

export function planDaemonStatus(view: DaemonView, collisionCount: number | undefined): apps.DaemonSetStatus {
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
    ...(collisionCount !== undefined && { collisionCount }),
  };
}
