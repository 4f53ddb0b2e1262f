/**
 * Counts of placed pods by label selector and topology, updated as pods come and go, so that affinity and spreading
 * never iterate over all pods. Pods with equal namespace and labels share a class; a selection remembers which classes
 * it matches, and a placed pod touches only the selections of its class. When a selection requires a certain label,
 * only classes with that label are considered: thousands of workloads do not affect each other.
 */
import type { Labels } from '../../api/selectors/label-selector.ts';
import type { AffinityTerm } from './affinity-term.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo, WeightedTerm } from './pod-info.ts';
import { namespacedLabels } from './required-labels.ts';

export type Counts = ReadonlyMap<string, number>;

/** Which pods are selected. `key` must be equal for selections of the same pods. */
export interface PodSelection {
  key: string;
  matches(namespace: string, labels: Labels | undefined): boolean;
  /** Leave out pods that are being deleted. */
  livingOnly: boolean;
  /** Namespaced labels (see `requiredLabels`) that all selected pods have; none when unknown. */
  required: readonly string[];
}

interface PodClass {
  /** Of its first pod; later pods may have their labels in another order. */
  key: string;
  namespace: string;
  labels: Labels | undefined;
  isTerminating: boolean;
  /** Its labels, prefixed with the namespace. */
  labelNames: readonly string[];
  /** Node name → number of its pods there. */
  byNode: Map<string, number>;
  selections: Set<SelectedPods>;
}

/** The placed pods that match a selection, counted by node and by topology. */
class SelectedPods {
  readonly selection: PodSelection;
  /** The rarest of its required labels at the time of the first query; undefined: any class may match. */
  readonly required: string | undefined;
  readonly byNode = new Map<string, number>();
  total = 0;
  readonly #byTopology = new Map<string, Map<string, number>>();
  readonly #nodeOf: (name: string) => NodeInfo | undefined;

  constructor(
    selection: PodSelection,
    required: string | undefined,
    nodeOf: (name: string) => NodeInfo | undefined,
  ) {
    this.selection = selection;
    this.required = required;
    this.#nodeOf = nodeOf;
  }

  /** Values of the topology label → pods there. Nodes without the label do not count. */
  byTopology(topologyKey: string): Counts {
    let counts = this.#byTopology.get(topologyKey);
    if (!counts) {
      counts = new Map();
      for (const [name, pods] of this.byNode) {
        const value = this.#nodeOf(name)?.labels[topologyKey];
        if (value !== undefined) changeCount(counts, value, pods);
      }
      this.#byTopology.set(topologyKey, counts);
    }
    return counts;
  }

  change(node: NodeInfo, by: number): void {
    this.total += by;
    changeCount(this.byNode, node.name, by);
    for (const [topologyKey, counts] of this.#byTopology) {
      const value = node.labels[topologyKey];
      if (value !== undefined) changeCount(counts, value, by);
    }
  }
}

export type TermKind =
  | 'requiredAntiAffinity'
  | 'requiredAffinity'
  | 'preferredAffinity'
  | 'preferredAntiAffinity';

/** A term of placed pods, with the number of those pods in each topology. */
export interface CarriedTerm {
  readonly term: AffinityTerm;
  readonly weight: number;
  readonly counts: Counts;
}

type MutableCarriedTerm = CarriedTerm & { counts: Map<string, number>; carriers: number };

/** Beyond this many, the least recently used selection is dropped. */
const selectionsMax = 1_000;

export class PodIndex {
  readonly #classes = new Map<string, PodClass>();
  readonly #classOfPod = new Map<string, PodClass>();
  readonly #classesByLabel = new Map<string, Set<PodClass>>();
  readonly #selections = new Map<string, SelectedPods>();
  /** Those without a required label are under undefined. */
  readonly #selectionsByLabel = new Map<string | undefined, Set<SelectedPods>>();
  readonly #carried: Record<TermKind, Map<string, MutableCarriedTerm>> = {
    requiredAntiAffinity: new Map(),
    requiredAffinity: new Map(),
    preferredAffinity: new Map(),
    preferredAntiAffinity: new Map(),
  };
  readonly #nodeOf: (name: string) => NodeInfo | undefined;

  constructor(nodeOf: (name: string) => NodeInfo | undefined) {
    this.#nodeOf = nodeOf;
  }

  addPod(info: PodInfo, node: NodeInfo): void {
    const podClass = this.#classFor(info);
    this.#classOfPod.set(info.uid, podClass);
    changeCount(podClass.byNode, node.name, 1);
    for (const selected of podClass.selections) selected.change(node, 1);
    this.#changeCarried(info, node, 1);
  }

  removePod(info: PodInfo, node: NodeInfo): void {
    const podClass = this.#classOfPod.get(info.uid);
    if (!podClass) return;
    this.#classOfPod.delete(info.uid);
    changeCount(podClass.byNode, node.name, -1);
    for (const selected of podClass.selections) selected.change(node, -1);
    this.#changeCarried(info, node, -1);
    if (podClass.byNode.size > 0) return;
    this.#classes.delete(podClass.key);
    for (const name of podClass.labelNames) removeFrom(this.#classesByLabel, name, podClass);
  }

  /** Counts of the selected pods; kept up to date for the next query. */
  select(selection: PodSelection): SelectedPods {
    const key = `${selection.livingOnly}${selection.key}`;
    let selected = this.#selections.get(key);
    if (selected) {
      this.#selections.delete(key);
    } else {
      selected = new SelectedPods(selection, this.#rarest(selection.required), this.#nodeOf);
      addTo(this.#selectionsByLabel, selected.required, selected);
      for (const podClass of this.#candidates(selected)) this.#attach(selected, podClass);
    }
    this.#selections.set(key, selected);
    if (this.#selections.size > selectionsMax) this.#forgetOldest();
    return selected;
  }

  /** Distinct terms of a kind among placed pods. */
  carried(kind: TermKind): Iterable<CarriedTerm> {
    return this.#carried[kind].values();
  }

  /** Labels of namespaces changed: selections that depend on them may match other pods now. */
  forgetSelections(): void {
    this.#selections.clear();
    this.#selectionsByLabel.clear();
    for (const podClass of this.#classes.values()) podClass.selections.clear();
  }

  #classFor(info: PodInfo): PodClass {
    const key = classKey(info);
    let podClass = this.#classes.get(key);
    if (!podClass) {
      const { labels, deletionTimestamp } = info.pod.metadata;
      podClass = {
        key,
        namespace: info.namespace,
        labels,
        isTerminating: deletionTimestamp !== undefined,
        labelNames: namespacedLabels(info.namespace, labels),
        byNode: new Map(),
        selections: new Set(),
      };
      this.#classes.set(key, podClass);
      for (const name of podClass.labelNames) addTo(this.#classesByLabel, name, podClass);
      for (const name of [undefined, ...podClass.labelNames])
        for (const selected of this.#selectionsByLabel.get(name) ?? []) this.#attach(selected, podClass);
    }
    return podClass;
  }

  #rarest(labelNames: readonly string[]): string | undefined {
    const classesWith = (name: string) => this.#classesByLabel.get(name)?.size ?? 0;
    return labelNames.reduce<string | undefined>(
      (best, name) => (best === undefined || classesWith(name) < classesWith(best) ? name : best),
      undefined,
    );
  }

  #candidates({ required }: SelectedPods): Iterable<PodClass> {
    return required === undefined ? this.#classes.values() : (this.#classesByLabel.get(required) ?? []);
  }

  #attach(selected: SelectedPods, podClass: PodClass): void {
    const { selection } = selected;
    if (selection.livingOnly && podClass.isTerminating) return;
    if (!selection.matches(podClass.namespace, podClass.labels)) return;
    podClass.selections.add(selected);
    for (const [name, pods] of podClass.byNode) {
      const node = this.#nodeOf(name);
      if (node) selected.change(node, pods);
    }
  }

  #forgetOldest(): void {
    for (const [key, oldest] of this.#selections) {
      this.#selections.delete(key);
      removeFrom(this.#selectionsByLabel, oldest.required, oldest);
      for (const podClass of this.#candidates(oldest)) podClass.selections.delete(oldest);
      return;
    }
  }

  #changeCarried(info: PodInfo, node: NodeInfo, by: 1 | -1): void {
    const change = (kind: TermKind, weighted: WeightedTerm) => this.#changeTerm(kind, weighted, node, by);
    for (const term of info.requiredAntiAffinity) change('requiredAntiAffinity', { term, weight: 1 });
    for (const term of info.requiredAffinity) change('requiredAffinity', { term, weight: 1 });
    for (const weighted of info.preferredAffinity) change('preferredAffinity', weighted);
    for (const weighted of info.preferredAntiAffinity) change('preferredAntiAffinity', weighted);
  }

  #changeTerm(kind: TermKind, { term, weight }: WeightedTerm, node: NodeInfo, by: 1 | -1): void {
    const key = `${weight} ${term.topologyKey} ${term.selectionKey}`;
    let carried = this.#carried[kind].get(key);
    if (!carried) {
      carried = { term, weight, counts: new Map(), carriers: 0 };
      this.#carried[kind].set(key, carried);
    }
    carried.carriers += by;
    if (carried.carriers <= 0) {
      this.#carried[kind].delete(key);
      return;
    }
    const value = node.labels[term.topologyKey];
    if (value !== undefined) changeCount(carried.counts, value, by);
  }
}

function classKey(info: PodInfo): string {
  const { labels, deletionTimestamp } = info.pod.metadata;
  return `${deletionTimestamp === undefined ? '' : 'x'}${info.namespace}/${labels ? JSON.stringify(labels) : ''}`;
}

function addTo<Key, Item>(sets: Map<Key, Set<Item>>, key: Key, item: Item): void {
  const set = sets.get(key);
  if (set) set.add(item);
  else sets.set(key, new Set([item]));
}

/** A set that becomes empty is dropped. */
function removeFrom<Key, Item>(sets: Map<Key, Set<Item>>, key: Key, item: Item): void {
  const set = sets.get(key);
  set?.delete(item);
  if (set?.size === 0) sets.delete(key);
}

/** Adds to a count; entries that reach zero are dropped. */
function changeCount(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
