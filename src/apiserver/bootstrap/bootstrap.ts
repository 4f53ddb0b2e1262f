/** What every cluster holds from its first moment on. */
import type { Registry } from '../registry/registry.ts';
import { ensureNamespaces } from './namespaces.ts';
import { ensurePriorityClasses } from './priority-classes.ts';

export async function bootstrap(registry: Registry): Promise<void> {
  await ensureNamespaces(registry);
  await ensurePriorityClasses(registry);
}
