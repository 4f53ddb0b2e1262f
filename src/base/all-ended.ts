/**
 * As `Promise.all`, but a failure is told of when all have ended: what goes on beside it would otherwise write over what is
 * told, and hold what the caller believes to be free.
 */
export async function allEnded(works: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(works);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}
