/** Pods that are there when their namespace gets another level: they stay, and the client is told which violate it. */
import { controllerOf } from '../../../../api/meta.ts';
import type { Pod } from '../../../../api/resources.gen.ts';
import { violationsOf } from './checks.ts';
import { isStricter, type LevelVersion, minorOf, nameOf } from './namespace-policy.ts';

/** Pods that are looked at; upstream's figure. */
const podsMax = 3_000;

/** Whether what the one forbids may not have been forbidden before. */
export function mayForbidMore(next: LevelVersion, before: LevelVersion): boolean {
  if (next.level === 'privileged') return false;
  return next.version !== before.version || isStricter(next, before);
}

/** In upstream's words. */
export function warningsOfExisting(
  namespace: string,
  pods: Iterable<Pod>,
  { level, version }: LevelVersion,
): string[] {
  const all = oneOfEachFirst(pods);
  const checked = all.slice(0, podsMax);
  const names = new Map<string, string[]>();
  for (const pod of checked) {
    const reasons = violationsOf(pod, level, minorOf(version)).map(({ reason }) => reason);
    if (reasons.length === 0) continue;
    const text = reasons.join(', ');
    const alike = names.get(text) ?? [];
    names.set(text, alike);
    alike.push(pod.metadata.name);
  }
  const warnings: string[] = [];
  if (checked.length < all.length)
    warnings.push(
      `new PodSecurity enforce level only checked against the first ${checked.length} of ${all.length} existing pods`,
    );
  if (names.size > 0)
    warnings.push(
      `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(nameOf({ level, version }))}`,
    );
  return [...warnings, ...[...names].map(([reasons, of]) => `${subjectOf(of)}: ${reasons}`).sort()];
}

/** Pods of one controller are alike: one of each is looked at before all the others. */
function oneOfEachFirst(pods: Iterable<Pod>): Pod[] {
  const seen = new Set<string>();
  const first: Pod[] = [];
  const others: Pod[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod)?.uid;
    if (owner !== undefined && seen.has(owner)) others.push(pod);
    else first.push(pod);
    if (owner !== undefined) seen.add(owner);
  }
  return [...first, ...others];
}

function subjectOf(names: readonly string[]): string {
  const [first, ...others] = names.toSorted();
  if (others.length === 0) return first!;
  return `${first} (and ${others.length} other pod${others.length === 1 ? '' : 's'})`;
}
