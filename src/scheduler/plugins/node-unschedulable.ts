/** Keeps pods off cordoned nodes, unless they tolerate the taint that stands for it. */

import type { Node } from '../../api/resources.gen.ts';
import { toleratesTaint } from '../../api/selectors/node-selector.ts';
import type { Taint } from '../../api/types/core-v1.gen.ts';
import { nodeTaints } from '../../api/well-known.ts';
import { type Plugin, unresolvable } from '../framework/plugin.ts';

const cordonTaint: Taint = { key: nodeTaints.unschedulable, effect: 'NoSchedule' };
const cordoned = unresolvable('node(s) were unschedulable');

export function nodeUnschedulable(): Plugin {
  return {
    name: 'NodeUnschedulable',
    isNodeLocal: true,
    retryRules: [
      {
        resource: 'Node',
        changes: ['add', 'taints'],
        helps: (_, { old, current }) => !isCordoned(current as Node) && (!old || isCordoned(old as Node)),
      },
      { resource: 'TargetPod', changes: ['tolerations'] },
    ],
    filter({ pod }, { node }) {
      if (!isCordoned(node)) return undefined;
      const isTolerated = pod.spec?.tolerations?.some((entry) => toleratesTaint(entry, cordonTaint));
      return isTolerated ? undefined : cordoned;
    },
  };
}

const isCordoned = (node: Node): boolean => node.spec?.unschedulable === true;
