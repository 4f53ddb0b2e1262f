/** What a write takes for its object: claimed right before the object is stored, and given back when it is not. */
import type { KubeObject } from '../../api/meta.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import type { Registry, WriteRequest } from './registry.ts';

/** Runs between a kind's own preparation and validation; changes the object. */
export interface Allocator {
  /** @throws StatusError */
  allocate(object: KubeObject, old: KubeObject | undefined): Allocation;
}

export interface Allocation {
  /** Right before the write: claims the choice among servers, or chooses again. @throws StatusError */
  claim(): Promise<void>;
  /** Called when the write has ended; releases what is not needed. */
  finish(outcome: 'stored' | 'refused'): Promise<void>;
}

/**
 * Does a write, which adds its allocations to those that it is called with. Undefined: nothing was stored. What remains
 * to be done afterwards affects neither the outcome nor its other parts when it fails.
 */
export async function withAllocations<T extends object | undefined>(
  registry: Pick<Registry, 'logger'>,
  write: (allocations: Allocation[]) => Promise<T>,
): Promise<T> {
  const allocations: Allocation[] = [];
  let stored: T | undefined;
  try {
    stored = await write(allocations);
    return stored;
  } finally {
    if (allocations.length > 0) await finishAll(registry, allocations, stored ? 'stored' : 'refused');
  }
}

async function finishAll(
  { logger }: Pick<Registry, 'logger'>,
  allocations: readonly Allocation[],
  outcome: 'stored' | 'refused',
): Promise<void> {
  for (const finished of await Promise.allSettled(allocations.map((each) => each.finish(outcome))))
    if (finished.status === 'rejected')
      logger.warn('what a write had taken could not be given back', { error: finished.reason });
}

/** Allocates what the object's kind requires; a dry run releases it at once. Undefined for kinds that require nothing. */
export function allocateFor(
  registry: Registry,
  { resource, dryRun }: WriteRequest,
  object: KubeObject,
  old: KubeObject | undefined,
): Allocation | undefined {
  const { definition } = resource;
  const allocator = registry.allocators.get(definition.storagePrefix ?? definition.type.plural);
  if (!allocator) return undefined;
  const allocation = allocator.allocate(object, old);
  if (!dryRun) return allocation;
  return { claim: async () => undefined, finish: () => allocation.finish('refused') };
}

/** What the namespace's quota has left for the object. Undefined where there is nothing to take. */
export function reservationFor(
  { admission }: Registry,
  attributes: AdmissionAttributes,
): Allocation | undefined {
  if (!admission.mayReserve(attributes)) return undefined;
  let undo: (() => Promise<void>) | undefined;
  return {
    async claim() {
      undo = await admission.reserve(attributes);
    },
    async finish(outcome) {
      if (outcome === 'refused') await undo?.();
    },
  };
}
