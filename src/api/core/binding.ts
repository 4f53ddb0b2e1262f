/** Bindings: a pod's node, decided. Never stored. */
import { defineKind } from '../kinds/define-kind.ts';
import { Binding } from '../resources.gen.ts';
import { notSupported, required } from '../validation/field-error.ts';

export const bindingKind = defineKind(Binding, {
  verbs: ['create'],
  *validate(binding) {
    const { kind, name } = binding.target ?? {};
    if (kind && kind !== 'Node') yield notSupported('target.kind', kind, ['Node', '<empty>']);
    if (!name) yield required('target.name');
  },
});
