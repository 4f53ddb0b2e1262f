/**
 * The interface of scheduling plugins: upstream's extension points, in the order in which a pod meets them. A plugin is
 * a plain object with the points in which it takes part; what it computes at one point for later ones is its state,
 * which the framework keeps and passes back.
 */
import type { NodeInfo } from './node-info.ts';
import type { NodeRefusals } from './node-rejections.ts';
import type { PodIndex } from './pod-index.ts';
import type { PodInfo } from './pod-info.ts';
import type { ShapeMemory } from './shape-memory.ts';

/** Why a pod cannot go somewhere. Made once and shared where the reason has no parameters. */
export interface Rejection {
  /**
   * `unschedulable`: evicting pods might help. `unresolvable`: nothing on this node could. `wait`: the plugin itself
   * will retry. `error`: something is broken.
   */
  readonly code: 'unschedulable' | 'unresolvable' | 'wait' | 'error';
  readonly reasons: readonly string[];
}

export function unschedulable(...reasons: string[]): Rejection {
  return { code: 'unschedulable', reasons };
}
export function unresolvable(...reasons: string[]): Rejection {
  return { code: 'unresolvable', reasons };
}

/** The cluster at the moment of a decision. Nothing may change while a decision is made. */
export interface Snapshot {
  /** Zones interleaved, so that any stretch of the list is spread over them. */
  readonly nodes: readonly NodeInfo[];
  node(name: string): NodeInfo | undefined;
  readonly pods: PodIndex;
  /** An image's size and the number of nodes that have it; undefined when none has. */
  image(name: string): { sizeBytes: number; nodes: number } | undefined;
  namespaceLabels(namespace: string): Record<string, string> | undefined;
  /** Pods that wait for their victims on a node to be gone, without those already placed. */
  nominatedTo(nodeName: string): readonly PodInfo[];
  /** The node for which the pod is nominated. */
  nominatedNodeOf(uid: string): string | undefined;
  /** Verdicts of nodes on pods of a shape, as far as they follow from shape and node alone. */
  memoryOf(shape: number): ShapeMemory;
}

/** A change in the cluster, as far as it could help a pod that was not placed. */
export interface ClusterEvent {
  resource: ClusterResource;
  change: ClusterChange;
  /** The objects before and after; which of them exist depends on the change. */
  old?: unknown;
  current?: unknown;
}

export type ClusterResource =
  | 'Node'
  /** A pod that has a node. */
  | 'AssignedPod'
  /** The waiting pod itself. */
  | 'TargetPod'
  | 'PersistentVolume'
  | 'PersistentVolumeClaim'
  | 'StorageClass'
  | 'CSINode'
  | 'CSIDriver'
  | 'CSIStorageCapacity'
  | 'VolumeAttachment'
  | 'ResourceClaim'
  | 'ResourceSlice'
  | 'DeviceClass'
  | 'DeviceTaintRule'
  | 'Namespace';

export type ClusterChange =
  | 'add'
  | 'delete'
  | 'update'
  | 'allocatable'
  | 'labels'
  | 'taints'
  | 'scaleDown'
  | 'tolerations'
  | 'schedulingGates'
  | 'resourceClaims';

/** When a pod that this plugin rejected is worth another attempt. */
export interface RetryRule {
  resource: ClusterResource;
  changes: readonly ClusterChange[];
  /** A closer check; absent: always worth it. */
  helps?(pod: PodInfo, event: ClusterEvent): boolean;
}

export type PreFilterOutcome<State> =
  /** The filter has nothing to check for this pod. */
  | { kind: 'skip' }
  | {
      kind: 'continue';
      state: State /** Only these nodes are worth a look. */;
      nodeNames?: ReadonlySet<string>;
    }
  /** No node is suitable. */
  | { kind: 'reject'; rejection: Rejection };

export const skip = { kind: 'skip' } as const;

export type PermitOutcome =
  | { kind: 'allow' }
  | { kind: 'reject'; rejection: Rejection }
  /** `decided` resolves with a rejection, or with undefined when the pod may proceed. */
  | { kind: 'wait'; timeoutMs: number; decided: Promise<Rejection | undefined> };

/** What a postFilter plugin proposes for a pod that fits nowhere. */
export interface PostFilterOutcome {
  /** The node where room is being made; '' withdraws an earlier nomination; undefined leaves it as it is. */
  nominatedNode?: string;
  /** Pods to evict from the nominated node. */
  victims: readonly PodInfo[];
  /** For the pod's event. */
  message: string;
  /** No later plugin is asked, and its message is the only one. */
  isFinal?: true;
  /** Releases resources that are held in vain. When it fails, the pod's next attempt finds them again. */
  giveBack?(signal: AbortSignal): Promise<void>;
}

/** A pod that comes to a node (1) or goes from it (-1), in a what-if question. */
export interface PodChange {
  pod: PodInfo;
  node: NodeInfo;
  by: 1 | -1;
}

export interface Plugin<FilterState = unknown, ScoreState = unknown> {
  readonly name: string;
  /** Its verdicts and scores depend on the pod's shape and the node only, so they may be remembered. */
  readonly isNodeLocal?: true;
  readonly retryRules?: readonly RetryRule[];

  /** May keep a pod out of the queue. */
  preEnqueue?(pod: PodInfo): Rejection | undefined;
  /** A plugin that skips here is left out of all later points except scoring. */
  preFilter?(pod: PodInfo, snapshot: Snapshot): PreFilterOutcome<FilterState>;
  filter?(pod: PodInfo, node: NodeInfo, state: FilterState): Rejection | undefined;
  /** A copy for what-if questions; needed when {@link Plugin.changePod} changes the state. */
  cloneState?(state: FilterState): FilterState;
  /** Changes the state of filtering `pod` as if another pod had come to a node or gone from it. */
  changePod?(state: FilterState, pod: PodInfo, change: PodChange): void;
  postFilter?(context: PostFilterContext): PostFilterOutcome;
  preScore?(
    pod: PodInfo,
    nodes: readonly NodeInfo[],
    snapshot: Snapshot,
  ): typeof skip | { kind: 'continue'; state: ScoreState };
  /** Higher is better. 0 to 100, unless `normalize` makes it so. */
  score?(pod: PodInfo, node: NodeInfo, state: ScoreState): number;
  normalize?(scores: Float64Array, nodes: readonly NodeInfo[], pod: PodInfo, state: ScoreState): void;
  /** Reserves what the pod will use, in memory. Reverted by `unreserve`, even when `reserve` itself rejected. */
  reserve?(pod: PodInfo, node: NodeInfo, state: FilterState): Rejection | undefined;
  unreserve?(pod: PodInfo, node: NodeInfo, state: FilterState): void;
  permit?(pod: PodInfo, node: NodeInfo, state: FilterState): PermitOutcome;
  /** Whether `preBind` will change anything, or wait. */
  hasToPrepare?(state: FilterState): boolean;
  preBind?(
    pod: PodInfo,
    node: NodeInfo,
    state: FilterState,
    signal: AbortSignal,
  ): Promise<Rejection | undefined>;
  bind?(pod: PodInfo, node: NodeInfo, signal: AbortSignal): Promise<void>;
  postBind?(pod: PodInfo, node: NodeInfo, state: FilterState): void;
}

export interface PostFilterContext {
  pod: PodInfo;
  snapshot: Snapshot;
  /** Why each node was refused; nodes not listed were ruled out by `absent`. */
  rejections: NodeRefusals;
  absent: Rejection | undefined;
  /** Set when all filters that apply are node-local, and it holds the refusals of all nodes. */
  memory: ShapeMemory | undefined;
  /** The plugin's own preFilter was called; another may have refused the pod before. */
  hasSeenPod: boolean;
  /** The plugin's own preFilter refused the pod. */
  hasRefusedPod: boolean;
  /** A what-if: a copy of a node with the pods that are nominated to it and have at least the same priority. */
  trial(node: NodeInfo): FilterTrial;
}

/** The filters on a copy of a node whose pods can be changed. */
export interface FilterTrial {
  readonly node: NodeInfo;
  addPod(info: PodInfo): void;
  removePod(info: PodInfo): void;
  /** The filters' present verdict; undefined: it fits. */
  verdict(): Rejection | undefined;
}

/** Highest score of a single plugin after normalization. */
export const scoreMax = 100;

/** Scales scores to 0…100; `reverse`: the lowest becomes the best. */
export function normalizeToMax(scores: Float64Array, options: { reverse: boolean }): void {
  let highest = 0;
  for (const score of scores) if (score > highest) highest = score;
  for (let index = 0; index < scores.length; index++) {
    const scaled = highest === 0 ? 0 : Math.floor((scoreMax * scores[index]!) / highest);
    scores[index] = options.reverse ? scoreMax - scaled : scaled;
  }
}
