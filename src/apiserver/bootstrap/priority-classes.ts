/** The priority classes that every cluster has. */
import { PriorityClass } from '../../api/resources.gen.ts';
import { systemPriorityClasses } from '../admission/pods/priority.ts';
import { ensureObject } from '../registry/ensure.ts';
import type { Registry } from '../registry/registry.ts';

export async function ensurePriorityClasses(registry: Registry): Promise<void> {
  for (const { name, value, description } of systemPriorityClasses)
    await ensureObject(registry, PriorityClass, { metadata: { name }, value, description });
}
