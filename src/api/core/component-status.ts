/** ComponentStatuses: the health of the control plane's components, determined on request and never stored. */
import { column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { ComponentStatus } from '../resources.gen.ts';

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
