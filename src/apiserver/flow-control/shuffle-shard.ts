/** Which of a level's queues the requests of one flow may wait in: few flows share all of them with one that floods its own. */
import { createHash } from 'node:crypto';

/** `handSize` different numbers below `deckSize`, always the same for one flow. */
export function dealHand(flow: string, deckSize: number, handSize: number): number[] {
  let rest = createHash('sha256').update(flow).digest().readBigUInt64LE();
  const hand: number[] = [];
  for (let dealt = 0; dealt < Math.min(handSize, deckSize); dealt++) {
    const left = BigInt(deckSize - dealt);
    let card = Number(rest % left);
    rest /= left;
    // The card-th of those that are not dealt yet.
    for (const earlier of [...hand].sort((a, b) => a - b)) if (card >= earlier) card++;
    hand.push(card);
  }
  return hand;
}
