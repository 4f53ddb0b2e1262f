/** Exponential back-off: how long to wait before the n-th try. */

export interface BackoffOptions {
  /** Delay before the first retry. */
  firstMs: number;
  /** No delay is longer. */
  maxMs: number;
  /** Growth per retry. */
  factor?: number;
}

/** Delay before retry number `attempt` (0 is the first). */
export function backoffDelayMs(options: BackoffOptions, attempt: number): number {
  const { firstMs, maxMs, factor = 2 } = options;
  return Math.min(maxMs, firstMs * factor ** attempt);
}
