/**
 * The scheduler's view of the cluster: what the server sent, and pods that it has placed itself but the server has not
 * confirmed yet. Updated incrementally, and its own snapshot, since decisions are made between two changes and never
 * during one.
 */
import type { Namespace, Node, Pod } from '../api/resources.gen.ts';
import { sameLabels } from '../api/selectors/same-labels.ts';
import { ImageIndex } from './framework/image-index.ts';
import { NodeInfo } from './framework/node-info.ts';
import type { Snapshot } from './framework/plugin.ts';
import { PodIndex } from './framework/pod-index.ts';
import { createPodInfo, type PodInfo, takesTheSame } from './framework/pod-info.ts';
import { ShapeMemories, type ShapeMemory } from './framework/shape-memory.ts';
import { NominatedPods } from './nominated-pods.ts';
import { interleaveZones } from './zone-order.ts';

interface PlacedPod {
  info: PodInfo;
  nodeName: string;
  /** Placed by this scheduler, and not confirmed by the server yet. */
  isAssumed: boolean;
}

export class SchedulerCache implements Snapshot {
  readonly pods: PodIndex;
  readonly #nominated = new NominatedPods();
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #placed = new Map<string, PlacedPod>();
  /** Pods on nodes that are not (yet, or no longer) known: node name → uids. */
  readonly #stray = new Map<string, Set<string>>();
  readonly #images = new ImageIndex();
  readonly #namespaces = new Map<string, Record<string, string>>();
  readonly #memories = new ShapeMemories();
  #ordered: readonly NodeInfo[] | undefined;

  constructor() {
    this.pods = new PodIndex((name) => this.#nodes.get(name));
  }

  get nodes(): readonly NodeInfo[] {
    if (this.#ordered) return this.#ordered;
    this.#ordered = interleaveZones([...this.#nodes.values()]);
    for (const [slot, node] of this.#ordered.entries()) node.slot = slot;
    this.#memories.clear();
    return this.#ordered;
  }

  memoryOf(shape: number): ShapeMemory {
    return this.#memories.of(shape, this.nodes);
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  image(name: string): { sizeBytes: number; nodes: number } | undefined {
    return this.#images.get(name);
  }

  namespaceLabels(namespace: string): Record<string, string> | undefined {
    return this.#namespaces.get(namespace);
  }

  nominatedTo(nodeName: string): readonly PodInfo[] {
    return this.#nominated.on(nodeName);
  }

  nominatedNodeOf(uid: string): string | undefined {
    return this.#nominated.nodeOf(uid);
  }

  /** Nominates a node for the pod; an empty name withdraws the nomination. */
  nominate(info: PodInfo, nodeName: string): void {
    const before = this.#nominated.nodeOf(info.uid);
    this.#nominated.set(info, nodeName);
    for (const name of [before, nodeName]) if (name) this.#notePromises(name);
  }

  forgetNomination(uid: string): void {
    const nodeName = this.#nominated.nodeOf(uid);
    this.#nominated.remove(uid);
    if (nodeName) this.#notePromises(nodeName);
  }

  /** What is remembered of the node was valid for the earlier nominations. */
  #notePromises(nodeName: string): void {
    const node = this.#nodes.get(nodeName);
    if (!node) return;
    node.isPromised = this.#nominated.on(nodeName).length > 0;
    this.#memories.forget(node.slot);
  }

  setNode(node: Node): void {
    const name = node.metadata.name;
    const known = this.#nodes.get(name);
    this.#images.setNode(node);
    if (!known) {
      const added = new NodeInfo(node);
      added.onChange = ({ slot }) => this.#memories.forget(slot);
      this.#nodes.set(name, added);
      this.#notePromises(name);
      this.#ordered = undefined;
      for (const uid of this.#stray.get(name) ?? []) this.#attach(this.#placed.get(uid)!.info, added);
      this.#stray.delete(name);
      return;
    }
    const isRelabelled = !sameLabels(known.labels, node.metadata.labels ?? {});
    if (!isRelabelled) {
      known.setNode(node);
      return;
    }
    for (const info of known.pods.values()) this.pods.removePod(info, known);
    known.setNode(node);
    for (const info of known.pods.values()) this.pods.addPod(info, known);
    this.#ordered = undefined;
  }

  removeNode(name: string): void {
    const node = this.#nodes.get(name);
    if (!node) return;
    for (const info of node.pods.values()) this.pods.removePod(info, node);
    if (node.pods.size > 0) this.#stray.set(name, new Set(node.pods.keys()));
    this.#nodes.delete(name);
    this.#images.removeNode(name);
    this.#ordered = undefined;
  }

  /** A pod as the server shows it, with a node. */
  setPod(pod: Pod): void {
    const { uid } = pod.metadata;
    const nodeName = pod.spec?.nodeName ?? '';
    const known = this.#placed.get(uid);
    if (known?.nodeName === nodeName && takesTheSame(known.info.pod, pod)) {
      const isRelabelled = !sameLabels(known.info.pod.metadata.labels, pod.metadata.labels);
      if (!isRelabelled || !known.info.hasTermsOfOwnLabels) {
        this.#renew(known, pod, { isRelabelled });
        return;
      }
    }
    this.removePod(uid);
    this.#place({ info: createPodInfo(pod), nodeName, isAssumed: false });
  }

  /**
   * It uses as much of its node as before, but counts among others with its labels only, and as a terminating pod no
   * longer. A binding adds labels.
   */
  #renew(placed: PlacedPod, pod: Pod, { isRelabelled }: { isRelabelled: boolean }): void {
    const { info, nodeName } = placed;
    const node = this.#nodes.get(nodeName);
    const isEnding = info.pod.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp;
    const isRecounted = node && (isRelabelled || isEnding);
    if (isRecounted) this.pods.removePod(info, node);
    info.pod = pod;
    placed.isAssumed = false;
    if (isRecounted) this.pods.addPod(info, node);
  }

  /** Counts a pod on a node before the server confirms it. What was promised to it is taken: it does not count twice. */
  assume(info: PodInfo, nodeName: string): void {
    this.forgetNomination(info.uid);
    this.#place({ info, nodeName, isAssumed: true });
  }

  /** Reverts {@link assume}; false, with nothing done, when the server has confirmed the pod meanwhile. */
  forget(uid: string): boolean {
    if (!this.#placed.get(uid)?.isAssumed) return false;
    this.removePod(uid);
    return true;
  }

  removePod(uid: string): void {
    const placed = this.#placed.get(uid);
    if (!placed) return;
    this.#placed.delete(uid);
    const node = this.#nodes.get(placed.nodeName);
    if (node?.removePod(uid)) this.pods.removePod(placed.info, node);
    const strays = this.#stray.get(placed.nodeName);
    strays?.delete(uid);
    if (strays?.size === 0) this.#stray.delete(placed.nodeName);
  }

  placedPod(uid: string): PodInfo | undefined {
    return this.#placed.get(uid)?.info;
  }

  get placedCount(): number {
    return this.#placed.size;
  }

  setNamespace(namespace: Namespace): void {
    const labels = namespace.metadata.labels ?? {};
    const known = this.#namespaces.get(namespace.metadata.name);
    this.#namespaces.set(namespace.metadata.name, labels);
    if (!known || !sameLabels(known, labels)) this.pods.forgetSelections();
  }

  removeNamespace(name: string): void {
    this.#namespaces.delete(name);
  }

  #place(placed: PlacedPod): void {
    const { info, nodeName } = placed;
    this.#placed.set(info.uid, placed);
    const node = this.#nodes.get(nodeName);
    if (node) {
      this.#attach(info, node);
      return;
    }
    const strays = this.#stray.get(nodeName) ?? new Set();
    strays.add(info.uid);
    this.#stray.set(nodeName, strays);
  }

  #attach(info: PodInfo, node: NodeInfo): void {
    node.addPod(info);
    this.pods.addPod(info, node);
  }
}
