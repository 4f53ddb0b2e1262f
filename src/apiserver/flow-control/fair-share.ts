/** What part of its demand each priority level could be given, if all were given the same part. */

/** A level with the seats that it should have, and the limits of what it may have. */
export interface ShareSeeker {
  target: number;
  /** At most {@link target}. */
  lower: number;
  upper: number;
}

/** Upstream's: so that a level without demand gets what nobody else takes. */
const targetMin = 0.001;
/** Halvings of an interval, after which a number has no more digits. */
const halvings = 60;

/**
 * The factor by which all targets are multiplied, within each one's limits, so that they come to `seats` together. 0: the
 * limits leave no choice.
 */
export function fairFraction(seekers: readonly ShareSeeker[], seats: number): number {
  const sum = (part: number) =>
    seekers.reduce((total, seeker) => total + within(seeker, part * targetOf(seeker)), 0);
  let low = 0;
  let high = Math.max(0, ...seekers.map((seeker) => seeker.upper / targetOf(seeker)));
  if (seats <= sum(low) || seats > sum(high)) return 0;
  for (let step = 0; step < halvings; step++) {
    const middle = (low + high) / 2;
    if (sum(middle) < seats) low = middle;
    else high = middle;
  }
  return high;
}

function targetOf({ target }: ShareSeeker): number {
  return Math.max(target, targetMin);
}

function within({ lower, upper }: ShareSeeker, seats: number): number {
  return Math.min(upper, Math.max(lower, seats));
}
