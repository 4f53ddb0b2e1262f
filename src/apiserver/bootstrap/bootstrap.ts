/** What every cluster holds from its first moment on. */
import type { Registry } from '../registry/registry.ts';
import type { IpRange } from '../services/ip-range.ts';
import { ensureFlowControl } from './flow-control.ts';
import { ensureKubernetesService } from './kubernetes-service.ts';
import { ensureNamespaces } from './namespaces.ts';
import { ensurePriorityClasses } from './priority-classes.ts';
import { ensureRbac } from './rbac.ts';

export async function bootstrap(registry: Registry, serviceRange: IpRange): Promise<void> {
  await ensureNamespaces(registry);
  await ensurePriorityClasses(registry);
  await ensureFlowControl(registry);
  await ensureRbac(registry);
  await ensureKubernetesService(registry, serviceRange);
}
