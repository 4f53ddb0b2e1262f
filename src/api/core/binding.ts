/** Bindings (a pod's node, decided) and component statuses: kinds that are never stored. */
import { column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { notSupported, required } from '../field-error.ts';
import { Binding, ComponentStatus } from '../resources.gen.ts';

export const bindingKind = defineKind(Binding, {
  verbs: ['create'],
  *validate(binding) {
    const { kind, name } = binding.target ?? {};
    if (kind && kind !== 'Node') yield notSupported('target.kind', kind, ['Node', '<empty>']);
    if (!name) yield required('target.name');
  },
});

export const componentStatusKind = defineKind(ComponentStatus, {
  verbs: ['get', 'list'],
  columns: [
    nameColumn,
    column('Status', (component) => healthOf(component)?.status ?? 'Unknown'),
    column('Message', (component) => healthOf(component)?.message ?? ''),
    column('Error', (component) => healthOf(component)?.error ?? ''),
  ],
});

function healthOf(component: ComponentStatus) {
  const health = (component.conditions ?? []).find((condition) => condition.type === 'Healthy');
  if (!health) return undefined;
  return { ...health, status: health.status === 'True' ? 'Healthy' : 'Unhealthy' };
}
