/**
 * When the event that says why a claim waits is recorded again: with every version of the claim, and as often as upstream
 * looks at all claims, so that its count tells for how long the claim has waited. Decides; never acts.
 */
import type { PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import type { PlannedEvent } from './claim-plan.ts';

/** How often upstream looks at all claims. */
const lookAtClaimsMs = 15_000;

/** What was last reported of a claim, on the clock that never jumps. */
export interface ClaimReport {
  words: string;
  atMs: number;
}

export interface ReportPlan {
  /** To be recorded now, and remembered; undefined when that was done a short while ago. */
  report?: ClaimReport;
  againInMs: number;
}

export function planReport(
  { metadata: { uid, resourceVersion } }: PersistentVolumeClaim,
  { reason, message }: PlannedEvent,
  last: ClaimReport | undefined,
  nowMs: number,
): ReportPlan {
  const words = [uid, resourceVersion, reason, message].join(' ');
  const waitMs = last?.words === words ? last.atMs + lookAtClaimsMs - nowMs : 0;
  if (waitMs > 0) return { againInMs: waitMs };
  return { report: { words, atMs: nowMs }, againInMs: lookAtClaimsMs };
}
