/** Holds what was seen against what was recorded; gives the differences as sentences. */
import { presentVersion } from './resources.ts';
import type { Json, JsonObject } from './scenario.ts';

/** What newer versions word or show differently: both sides are brought to one wording before they are compared. */
const wordings: readonly [RegExp, string][] = [
  [/^(Scaled (?:up|down) replica set \S+) from \d+ to /, '$1 to '],
  [/ and can be accessed by the pod$/, ''],
  [/^Created container:? /, 'Created container '],
  [/(Back-off restarting failed container)( \S+ in pod .*)?$/, '$1'],
  [/ (no new claims to deallocate, )?preemption: .*$/, ''],
  [/(unbound immediate PersistentVolumeClaims|persistentvolumeclaim "[^"]+" not found)\. not found$/, '$1.'],
];

/** Labels that have a prefix today. */
const newKeys: Record<string, string> = {
  'controller-uid': 'batch.kubernetes.io/controller-uid',
  'job-name': 'batch.kubernetes.io/job-name',
};

export function canonicalMessage(message: string): string {
  let text = message;
  for (const [pattern, replacement] of wordings) text = text.replace(pattern, replacement);
  return text;
}

/** Whether everything that `expected` says is in `actual`; more may be. Lists of things with a type or name match by it. */
export function includes(actual: Json | undefined, expected: Json): boolean {
  if (expected === '<any>') return true;
  if (expected === null) return actual === null || actual === undefined;
  if (typeof expected === 'string')
    return (
      typeof actual === 'string' && canonicalMessage(actual) === canonicalMessage(presentVersion(expected))
    );
  if (typeof expected !== 'object') return actual === expected || (expected === 0 && actual === undefined);
  if (Array.isArray(expected)) return Array.isArray(actual) && includesList(actual, expected);
  if (typeof actual !== 'object' || actual === null || Array.isArray(actual))
    return Object.keys(expected).length === 0 && actual === undefined;
  return Object.entries(expected).every(([key, value]) =>
    includes(actual[key] ?? actual[newKeys[key] ?? key], value),
  );
}

/** Lists of such things are sets: their order says nothing. */
const listKeys = ['type', 'name', 'targetRef'];

function includesList(actual: readonly Json[], expected: readonly Json[]): boolean {
  const isKeyed = expected.every(
    (item) =>
      typeof item === 'string' ||
      (typeof item === 'object' && item !== null && listKeys.some((key) => key in item)),
  );
  if (isKeyed) return expected.every((item) => actual.some((one) => includes(one, item)));
  return actual.length >= expected.length && expected.every((item, index) => includes(actual[index], item));
}

/** The first recorded state that the seen ones lack, when they are read in order; undefined when none does. */
export function firstMissing(
  seen: readonly JsonObject[],
  recorded: readonly JsonObject[],
  skippable: (state: JsonObject) => boolean,
): JsonObject | undefined {
  let at = 0;
  for (const state of recorded) {
    const found = seen.findIndex((one, index) => index >= at && includes(one, state));
    if (found >= 0) at = found;
    else if (!skippable(state)) return state;
  }
  return undefined;
}
