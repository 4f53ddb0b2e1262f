/** TaintNodesByCondition: a new node accepts no pods until it has reported that it is ready. */
import { Node } from '../../api/resources.gen.ts';
import { nodeTaints } from '../../api/well-known.ts';
import { type AdmissionPlugin, writesOf } from './admission.ts';

const taint = { key: nodeTaints.notReady, effect: 'NoSchedule' } as const;

export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  operations: ['CREATE'],
  resources: [writesOf(Node)],
  mutate(attributes) {
    const node = attributes.object as Node;
    node.spec ??= {};
    const taints = node.spec.taints ?? [];
    if (taints.some(({ key, effect }) => key === taint.key && effect === taint.effect)) return;
    node.spec.taints = [...taints, { ...taint }];
  },
};
