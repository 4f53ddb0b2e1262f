/**
 * How the seats of the server (concurrent requests) are shared among priority levels. Each level has its share; others
 * may borrow what it can lend while it does not need it, and get no more of that once it does.
 */
import type { PriorityLevelConfiguration } from '../../api/resources.gen.ts';

export interface SeatLimits {
  /** The level's own part. */
  nominal: number;
  /** Never lent. */
  lower: number;
  /** With all that it may borrow; at most all seats there are. */
  upper: number;
}

const sharesDefault = 30;

/** What the levels get of `seatsTotal`, by name, as upstream computes it. Exempt ones have a part that they only lend. */
export function planSeats(
  levels: Iterable<PriorityLevelConfiguration>,
  seatsTotal: number,
): Map<string, SeatLimits> {
  const all = [...levels];
  const sharesTotal = all.reduce((sum, level) => sum + sharesOf(level), 0);
  return new Map(
    all.map((level) => {
      const { limited, exempt } = level.spec;
      const nominal = sharesTotal === 0 ? 0 : Math.ceil((seatsTotal * sharesOf(level)) / sharesTotal);
      const lendable = Math.round((nominal * ((limited ?? exempt)?.lendablePercent ?? 0)) / 100);
      const borrowPercent = limited?.borrowingLimitPercent;
      const borrowable =
        borrowPercent === undefined ? seatsTotal : Math.round((nominal * borrowPercent) / 100);
      const upper = Math.min(Math.max(nominal, seatsTotal), nominal + borrowable);
      return [level.metadata.name, { nominal, lower: nominal - lendable, upper }];
    }),
  );
}

function sharesOf({ spec }: PriorityLevelConfiguration): number {
  if (spec.type === 'Exempt') return spec.exempt?.nominalConcurrencyShares ?? 0;
  return spec.limited?.nominalConcurrencyShares ?? sharesDefault;
}

/** A priority level as those see it who share the seats out. */
export interface SeatTaker {
  readonly limits: SeatLimits;
  /** Seats that its requests hold now. */
  readonly taken: number;
  /** Whether requests wait for seats. */
  readonly isWaiting: boolean;
  /** Lets the next request go if {@link SeatPool.mayTake} allows it. */
  admitNext(): boolean;
}

export class SeatPool {
  readonly #total: number;
  readonly #takers = new Set<SeatTaker>();

  constructor(seatsTotal: number) {
    this.#total = seatsTotal;
  }

  add(taker: SeatTaker): void {
    this.#takers.add(taker);
  }

  remove(taker: SeatTaker): void {
    this.#takers.delete(taker);
  }

  /**
   * A level's only request is always admitted: one that needs more seats than its level has would otherwise wait
   * forever.
   */
  mayTake(taker: SeatTaker, seats: number): boolean {
    const { limits, taken } = taker;
    const wanted = taken + seats;
    if (wanted <= limits.lower || taken === 0) return true;
    if (wanted > limits.upper) return false;
    return this.#spoken() - Math.max(taken, limits.lower) + wanted <= this.#total;
  }

  /** What the level may take altogether, as things are: what others hold, or do not lend, is not there for it. */
  limitOf(taker: SeatTaker): number {
    const { limits, taken } = taker;
    const left = this.#total - this.#spoken() + Math.max(taken, limits.lower);
    return Math.max(limits.lower, Math.min(limits.upper, left));
  }

  /** Seats at work, and those that their levels do not lend. There are few levels. */
  #spoken(): number {
    let spoken = 0;
    for (const { taken, limits } of this.#takers) spoken += Math.max(taken, limits.lower);
    return spoken;
  }

  /** After seats were given back: those go first that use the least of their own part. */
  handOn(): void {
    while (this.#isAnybodyWaiting()) {
      const waiting = [...this.#takers].filter(({ isWaiting }) => isWaiting);
      waiting.sort((a, b) => usedPart(a) - usedPart(b));
      if (!waiting.some((taker) => taker.admitNext())) return;
    }
  }

  #isAnybodyWaiting(): boolean {
    for (const { isWaiting } of this.#takers) if (isWaiting) return true;
    return false;
  }
}

function usedPart({ taken, limits }: SeatTaker): number {
  return taken / Math.max(1, limits.nominal);
}
