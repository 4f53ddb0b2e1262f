/** Compiled pod affinity terms: namespaces resolved, selectors compiled, equal terms recognizable. */

import type { LabelSelector, LabelSelectorRequirement } from '../../api/meta.ts';
import type { Pod } from '../../api/resources.gen.ts';
import {
  compileLabelSelector,
  type LabelPredicate,
  type Labels,
} from '../../api/selectors/label-selector.ts';
import type { PodAffinityTerm } from '../../api/types/core-v1.gen.ts';
import { requiredLabels } from './required-labels.ts';

export interface AffinityTerm {
  /** Equal for terms that select the same pods: the key in the pod index. */
  selectionKey: string;
  topologyKey: string;
  /** Names of namespaces; empty when only `namespaceSelector` applies. */
  namespaces: ReadonlySet<string>;
  /** Over the labels of namespaces; undefined: none. */
  namespaceSelector: LabelPredicate | undefined;
  selector: LabelPredicate;
  /** Namespaced labels that all selected pods have, when the term is about one namespace. */
  required: readonly string[];
}

/** Looks up a namespace's labels, for terms that select namespaces by them. */
export type NamespaceLabels = (namespace: string) => Labels | undefined;

export function compileAffinityTerm(term: PodAffinityTerm, pod: Pod): AffinityTerm {
  const labelSelector = withMatchLabelKeys(term, pod.metadata.labels);
  const named = term.namespaces ?? [];
  // A term that names no namespaces means its pod's own.
  const namespaces = named.length === 0 && !term.namespaceSelector ? [pod.metadata.namespace ?? ''] : named;
  return {
    selectionKey: JSON.stringify([[...namespaces].sort(), term.namespaceSelector ?? 0, labelSelector ?? 0]),
    topologyKey: term.topologyKey,
    namespaces: new Set(namespaces),
    namespaceSelector: term.namespaceSelector && compileLabelSelector(term.namespaceSelector),
    selector: compileLabelSelector(labelSelector),
    required:
      namespaces.length === 1 && !term.namespaceSelector ? requiredLabels(namespaces[0]!, labelSelector) : [],
  };
}

/** Whether it means other pods when the labels of its own pod change. */
export function selectsByOwnLabels({ matchLabelKeys, mismatchLabelKeys }: PodAffinityTerm): boolean {
  return !!matchLabelKeys?.length || !!mismatchLabelKeys?.length;
}

/** The term's selector, extended by the pod's labels according to `matchLabelKeys` and `mismatchLabelKeys`. */
function withMatchLabelKeys(term: PodAffinityTerm, labels: Labels | undefined): LabelSelector | undefined {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term;
  if (!labelSelector) return undefined;
  const added: LabelSelectorRequirement[] = [];
  for (const [keys, operator] of [
    [matchLabelKeys, 'In'],
    [mismatchLabelKeys, 'NotIn'],
  ] as const)
    for (const key of keys) {
      const value = labels?.[key];
      if (value !== undefined) added.push({ key, operator, values: [value] });
    }
  if (added.length === 0) return labelSelector;
  return { ...labelSelector, matchExpressions: [...(labelSelector.matchExpressions ?? []), ...added] };
}

/** Whether the term selects a pod with these labels in this namespace. */
export function termMatches(
  term: AffinityTerm,
  namespace: string,
  labels: Labels | undefined,
  namespaceLabels: NamespaceLabels,
): boolean {
  const inNamespace =
    term.namespaces.has(namespace) || term.namespaceSelector?.(namespaceLabels(namespace) ?? {}) === true;
  return inNamespace && term.selector(labels);
}
