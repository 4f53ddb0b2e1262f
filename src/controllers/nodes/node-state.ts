/** Predicates on nodes that several controllers share. */
import type { Node } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { nodeTaints } from '../../api/well-known.ts';

export function nodeCondition(node: Node, type: string): core.NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === type);
}

/** An administrator has confirmed that the node is off and will not come back as it was. */
export function hasOutOfServiceTaint(node: Node): boolean {
  return node.spec?.taints?.some((taint) => taint.key === nodeTaints.outOfService) ?? false;
}

export function noExecuteTaints(node: Node): core.Taint[] {
  return (node.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute');
}

/** Whether a toleration covers a taint. */
export function tolerates(toleration: core.Toleration, taint: core.Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator ?? 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
    default:
      return false;
  }
}
