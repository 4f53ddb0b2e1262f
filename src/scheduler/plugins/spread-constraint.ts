/** Compiled topology spread constraints, and which nodes they count. */

import type { LabelSelector } from '../../api/meta.ts';
import { compileLabelSelector, type LabelPredicate } from '../../api/selectors/label-selector.ts';
import {
  compilePodNodeSelector,
  findUntoleratedTaint,
  type NodePredicate,
} from '../../api/selectors/node-selector.ts';
import type { TopologySpreadConstraint } from '../../api/types/core-v1.gen.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { PodSelection } from '../framework/pod-index.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { requiredLabels } from '../framework/required-labels.ts';

export interface SpreadConstraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selection: PodSelection;
  /** The incoming pod counts too. */
  matchesItself: boolean;
  /** Undefined: every node counts. */
  counts: NodePredicateOnInfo | undefined;
}

type NodePredicateOnInfo = (node: NodeInfo) => boolean;

export function compileConstraint(constraint: TopologySpreadConstraint, info: PodInfo): SpreadConstraint {
  const selector = withMatchLabelKeys(constraint, info.pod.metadata.labels);
  const matches: LabelPredicate = compileLabelSelector(selector);
  return {
    topologyKey: constraint.topologyKey,
    maxSkew: constraint.maxSkew,
    minDomains: constraint.minDomains ?? 1,
    selection: {
      key: `spread ${info.namespace} ${JSON.stringify(selector ?? 0)}`,
      livingOnly: true,
      required: requiredLabels(info.namespace, selector),
      matches: (namespace, labels) => namespace === info.namespace && matches(labels),
    },
    matchesItself: matches(info.pod.metadata.labels),
    counts: inclusionOf(constraint, info),
  };
}

function withMatchLabelKeys(
  { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint,
  labels: Record<string, string> | undefined,
): LabelSelector | undefined {
  if (!labelSelector) return undefined;
  const added = matchLabelKeys.flatMap((key) => {
    const value = labels?.[key];
    return value === undefined ? [] : [{ key, operator: 'In', values: [value] }];
  });
  if (added.length === 0) return labelSelector;
  return { ...labelSelector, matchExpressions: [...(labelSelector.matchExpressions ?? []), ...added] };
}

/** Nodes where the pod could not go anyway do not count, unless the constraint says that they do. */
function inclusionOf(
  constraint: TopologySpreadConstraint,
  { pod }: PodInfo,
): NodePredicateOnInfo | undefined {
  const affinity: NodePredicate | undefined =
    constraint.nodeAffinityPolicy === 'Ignore' ? undefined : compilePodNodeSelector(pod);
  const honorsTaints = constraint.nodeTaintsPolicy === 'Honor';
  if (!affinity && !honorsTaints) return undefined;
  return (node) =>
    (affinity?.(node.node) ?? true) &&
    !(honorsTaints && findUntoleratedTaint(node.hardTaints, pod.spec?.tolerations));
}
