/** Which nodes a node selector matches, and which taints are tolerated: rules shared by scheduler and controllers. */

import type { Node, Pod } from '../resources.gen.ts';
import type {
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Taint,
  Toleration,
} from '../types/core-v1.gen.ts';
import { compileRequirement, matchesLabels } from './label-selector.ts';

type NodeLike = Pick<Node, 'metadata'>;
export type NodePredicate = (node: NodeLike) => boolean;

/** Terms are alternatives; a term without any requirement means no node. */
export function compileNodeSelector(selector: NodeSelector): NodePredicate {
  const terms = (selector.nodeSelectorTerms ?? []).map(compileNodeSelectorTerm);
  return (node) => terms.some((matches) => matches(node));
}

/** All requirements of a term must hold. */
export function compileNodeSelectorTerm(term: NodeSelectorTerm): NodePredicate {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return () => false;
  const byLabels = matchExpressions.map(({ key, operator, values }) =>
    compileRequirement(key, operator, values ?? []),
  );
  const byFields = matchFields.map(compileFieldRequirement);
  return ({ metadata }) =>
    byLabels.every((matches) => matches(metadata.labels)) &&
    byFields.every((matches) => matches(metadata.name));
}

/** The only field of a node that selectors may name is its name. */
function compileFieldRequirement(requirement: NodeSelectorRequirement): (name: string) => boolean {
  const { key, operator, values = [] } = requirement;
  if (key !== 'metadata.name') return () => false;
  const matches = compileRequirement('name', operator, values);
  return (name) => matches({ name });
}

/** The pod's nodeSelector and required node affinity together; undefined when it has neither. */
export function compilePodNodeSelector(pod: Pick<Pod, 'spec'>): NodePredicate | undefined {
  const labels = pod.spec?.nodeSelector;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const hasLabels = labels !== undefined && Object.keys(labels).length > 0;
  if (!hasLabels && !required) return undefined;
  const matchesAffinity = required && compileNodeSelector(required);
  return (node) => matchesLabels(labels, node.metadata.labels) && (matchesAffinity?.(node) ?? true);
}

/** Whether one toleration covers the taint. */
export function toleratesTaint(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator) {
    case 'Exists':
      return true;
    case undefined:
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '') && Boolean(toleration.key);
    case 'Gt':
    case 'Lt': {
      const [bound, value] = [Number(toleration.value), Number(taint.value)];
      return toleration.operator === 'Gt' ? value > bound : value < bound;
    }
    default:
      return false;
  }
}

/** The first taint that none of the tolerations covers. */
export function findUntoleratedTaint(
  taints: readonly Taint[],
  tolerations: readonly Toleration[] | undefined,
): Taint | undefined {
  return taints.find((taint) => !tolerations?.some((toleration) => toleratesTaint(toleration, taint)));
}
