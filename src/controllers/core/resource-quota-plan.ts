/** What is counted for a quota, and what its status says by that count. Decides; never acts. */
import type { ResourceType } from '../../api/meta.ts';
import { concernsClaims } from '../../api/quantities/claim-usage.ts';
import { compareQuantities, parseQuantity } from '../../api/quantities/quantity.ts';
import { concernsResource, sameAmounts, totalUsage, type Usage } from '../../api/quantities/quota.ts';
import {
  ConfigMap,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
} from '../../api/resources.gen.ts';
import type { Discovered } from '../../client/discovery.ts';

/** Core resources that quotas know by name; all others are counted as `count/…` only. */
export const limitable: readonly ResourceType[] = [
  ConfigMap,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  Secret,
  Service,
] as readonly ResourceType[];

/** What the controller has in its caches. */
const cached: readonly ResourceType[] = [...limitable, ResourceQuota as ResourceType];

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

export function hardNames(quota: ResourceQuota): string[] {
  return Object.keys(quota.spec?.hard ?? {});
}

/** Names that count resources of which the controller has no objects. */
export function otherCounts(names: readonly string[]): string[] {
  return names.filter(
    (name) =>
      concernsClaims(name) ||
      (name.startsWith('count/') && !cached.some((type) => concernsResource(name, type))),
  );
}

/** Whether objects of the resource, which are not in the caches, count under the name. */
export function isOtherCount(name: string, resource: ResourceType): boolean {
  const isCached = cached.some(({ group, plural }) => group === resource.group && plural === resource.plural);
  return !isCached && concernsResource(name, resource);
}

/** What to count for a quota: kinds of which the caches have the objects, and names for which to ask the server. */
export function planCount(quota: ResourceQuota): { kinds: ResourceType[]; others: string[] } {
  const names = hardNames(quota);
  // A scope chooses among pods or claims: nothing else is in any.
  const isScoped = (quota.spec?.scopes?.length ?? 0) > 0;
  return {
    kinds: cached.filter((type) => names.some((name) => concernsResource(name, type))),
    others: isScoped ? [] : otherCounts(names),
  };
}

/** Which of the names were not counted, and why. `unlisted`: resources of which the server gave no list. */
export function uncountedNames(
  names: readonly string[],
  { resources, failures }: Discovered,
  unlisted: ReadonlyMap<ResourceType, Error>,
): Map<string, Error> {
  const uncounted = new Map<string, Error>();
  for (const name of names) {
    const counted = resources.filter((resource) => isOtherCount(name, resource));
    const why =
      counted.length > 0
        ? counted.map((resource) => unlisted.get(resource)).find((error) => error)
        : [...failures].find(([version]) => isOfGroup(name, version))?.[1];
    if (why) uncounted.set(name, why);
  }
  return uncounted;
}

/** Whether a resource counted under the name could belong to the group, of which only `group/version` is known. */
function isOfGroup(name: string, version: string): boolean {
  const [group = ''] = version.split('/');
  return name.endsWith(`.${group}`) || (concernsClaims(name) && group === 'resource.k8s.io');
}
