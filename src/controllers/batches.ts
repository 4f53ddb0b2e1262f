/** Doing the same for many items at once. */

/** The outcome of a batch: how many succeeded, and the first failure. */
export interface BatchOutcome {
  succeeded: number;
  failure?: unknown;
}

/**
 * Calls `act` for 1, 2, 4, … items at a time, and stops after a batch in which one failed: a quota that is used up
 * or a template that is refused costs a few requests, not hundreds.
 */
export async function slowStart<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<unknown>,
): Promise<BatchOutcome> {
  let succeeded = 0;
  for (let start = 0, size = 1; start < items.length; start += size, size *= 2) {
    if (start > 0 && size > items.length - start) size = items.length - start;
    const outcome = await allAtOnce(items.slice(start, start + size), act);
    succeeded += outcome.succeeded;
    if (outcome.failure !== undefined) return { succeeded, failure: outcome.failure };
  }
  return { succeeded };
}

export async function allAtOnce<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<unknown>,
): Promise<BatchOutcome> {
  const results = await Promise.allSettled(items.map(act));
  const failed = results.find((result) => result.status === 'rejected');
  const succeeded = results.filter((result) => result.status === 'fulfilled').length;
  return failed ? { succeeded, failure: failed.reason } : { succeeded };
}
