/**
 * Like `Promise.all`, but rejects only once all have ended. Otherwise work that is still going on could write over the
 * report of the failure, and hold resources that the caller believes to be free.
 */
export async function allEnded(works: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(works);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}
