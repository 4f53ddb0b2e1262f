/** What the status of a quota says, by a count of what its namespace uses. Decides; never acts. */
import { compareQuantities, parseQuantity } from '../../api/quantity.ts';
import { sameAmounts, totalUsage, type Usage } from '../../api/quota.ts';
import type { ResourceQuota } from '../../api/resources.gen.ts';

/**
 * Admission charges a quota before the object is stored, and a recount in between would miss the object: usage is
 * reduced only once the quota has been left alone for this long.
 */
export const settleMs = 500;
/** A quota that is charged all the time is still corrected after this. */
const settleMaxMs = 5_000;

/** A quota that a recount would lower: since when, and how long at which version. */
export interface Lowered {
  uid: string;
  version: string;
  versionMs: number;
  sinceMs: number;
}

export interface QuotaPlan {
  /** To be written. */
  status?: { hard: Record<string, string>; used: Record<string, string> };
  /** The count is less than what the status says, which may be too early to believe: it is to be counted again. */
  lowered?: Lowered;
}

/** `uncounted`: names that could not be counted now. `before`: the `lowered` of the last plan. */
export function planQuota(
  quota: ResourceQuota,
  { usages, uncounted }: { usages: Iterable<Usage>; uncounted: Iterable<string> },
  before: Lowered | undefined,
  nowMs: number,
): QuotaPlan {
  const { spec, status } = quota;
  const hard = spec?.hard ?? {};
  const used = totalUsage(Object.keys(hard), usages);
  // What cannot be counted keeps its count: a lower one would admit too much.
  for (const name of uncounted) used[name] = status?.used?.[name] ?? used[name]!;
  if (sameAmounts(status?.hard, hard) && sameAmounts(status?.used, used)) return {};
  const lowered = isLowered(quota, used) ? lowering(quota, before, nowMs) : undefined;
  const isSettled =
    !lowered || nowMs - lowered.versionMs >= settleMs || nowMs - lowered.sinceMs >= settleMaxMs;
  return isSettled ? { status: { hard, used } } : { lowered };
}

function isLowered({ status }: ResourceQuota, used: Record<string, string>): boolean {
  const reported = status?.used ?? {};
  return Object.entries(used).some(
    ([name, text]) =>
      reported[name] !== undefined &&
      compareQuantities(parseQuantity(text), parseQuantity(reported[name])) < 0,
  );
}

function lowering({ metadata }: ResourceQuota, before: Lowered | undefined, nowMs: number): Lowered {
  const { uid, resourceVersion: version } = metadata;
  if (before?.uid !== uid) return { uid, version, versionMs: nowMs, sinceMs: nowMs };
  return before.version === version ? before : { ...before, version, versionMs: nowMs };
}
