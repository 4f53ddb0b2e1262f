/** Bindings: a pod's node, decided. Never stored. */
import { defineKind } from '../define-kind.ts';
import { notSupported, required } from '../field-error.ts';
import { Binding } from '../resources.gen.ts';

export const bindingKind = defineKind(Binding, {
  verbs: ['create'],
  *validate(binding) {
    const { kind, name } = binding.target ?? {};
    if (kind && kind !== 'Node') yield notSupported('target.kind', kind, ['Node', '<empty>']);
    if (!name) yield required('target.name');
  },
});
