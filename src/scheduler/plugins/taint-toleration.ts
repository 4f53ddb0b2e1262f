/** Taints keep pods away that do not tolerate them; PreferNoSchedule only counts against a node. */

import type { Node, Pod } from '../../api/resources.gen.ts';
import { findUntoleratedTaint, toleratesTaint } from '../../api/selectors/node-selector.ts';
import type { Toleration } from '../../api/types/core-v1.gen.ts';
import { normalizeToMax, type Plugin, skip, unresolvable } from '../framework/plugin.ts';

const untolerated = unresolvable('node(s) had untolerated taint(s)');

export function taintToleration(): Plugin<undefined, readonly Toleration[]> {
  return {
    name: 'TaintToleration',
    isNodeLocal: true,
    retryRules: [
      {
        resource: 'Node',
        changes: ['add', 'taints'],
        helps: ({ pod }, { old, current }) =>
          isTolerable(current as Node, pod) && !(old && isTolerable(old as Node, pod)),
      },
      { resource: 'TargetPod', changes: ['tolerations'] },
    ],
    filter({ pod }, node) {
      if (node.hardTaints.length === 0) return undefined;
      return findUntoleratedTaint(node.hardTaints, pod.spec?.tolerations) ? untolerated : undefined;
    },
    preScore({ pod }, nodes) {
      if (nodes.every((node) => node.softTaints.length === 0)) return skip;
      const soft = pod.spec?.tolerations?.filter(({ effect }) => !effect || effect === 'PreferNoSchedule');
      return { kind: 'continue', state: soft ?? [] };
    },
    score: (_, node, tolerations) =>
      node.softTaints.filter((taint) => !tolerations.some((entry) => toleratesTaint(entry, taint))).length,
    normalize: (scores) => normalizeToMax(scores, { reverse: true }),
  };
}

/** Whether no taint of the node keeps the pod away. */
function isTolerable(node: Node, pod: Pod): boolean {
  const hard = node.spec?.taints?.filter(({ effect }) => effect !== 'PreferNoSchedule');
  return !findUntoleratedTaint(hard ?? [], pod.spec?.tolerations);
}
