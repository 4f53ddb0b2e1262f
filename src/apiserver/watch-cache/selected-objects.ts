/** The present objects of a selection, however many a resource has: others are served while they are looked at. */
import { startTimeSlices } from '../../base/async/time-slices.ts';
import type { CachedObject } from './cached-object.ts';
import type { ResourceCache } from './resource-cache.ts';
import { isSelected, type Selection } from './selection.ts';

/**
 * The number of objects that are looked at in one turn; for more, a copy is looked at in slices, since a state is to be
 * shown as it was in one moment.
 */
export const lookedAtAtOnceMax = 1_000;

/** The selected objects as they are at the call, in order of their keys. */
export async function selectedObjects(cache: ResourceCache, selection: Selection): Promise<CachedObject[]> {
  const { keyPrefix } = selection;
  if (cache.size <= lookedAtAtOnceMax)
    return cache.all(keyPrefix).filter((object) => isSelected(selection, object));
  const found = await cache.allInSlices(keyPrefix);
  if (!selection.matches) return found;
  const selected: CachedObject[] = [];
  const slices = startTimeSlices();
  for (const object of found) {
    const pause = slices.yieldIfDue();
    if (pause) await pause;
    if (isSelected(selection, object)) selected.push(object);
  }
  return selected;
}
