/**
 * The part of a set of fields that an endpoint writes: through it, ownership of the rest can be neither gained nor
 * taken.
 */
import {
  type FieldSet,
  matchingFields,
  type PathPattern,
  patternOf,
  recursiveDifference,
  setOf,
} from './field-set.ts';

type Paths = readonly (readonly string[])[];

/** Lists are compared by identity: give constants. */
export interface WrittenFields {
  /** What it does not write, e.g. `[['status']]`. */
  resetFields?: Paths | undefined;
  /** All that it writes, `*` standing for any name or item, e.g. `[['spec', 'containers', '*', 'resources']]`. */
  onlyFields?: Paths | undefined;
}

const resetSets = new WeakMap<object, FieldSet>();
const patterns = new WeakMap<object, PathPattern>();

export function writtenPart(
  set: FieldSet | undefined,
  { resetFields, onlyFields }: WrittenFields,
): FieldSet | undefined {
  const left = onlyFields ? matchingFields(set, known(patterns, onlyFields, patternOf)) : set;
  if (!resetFields || resetFields.length === 0) return left;
  return recursiveDifference(left, known(resetSets, resetFields, resetSetOf));
}

function resetSetOf(paths: Paths): FieldSet {
  return setOf(...paths.map((path) => path.map((name) => `f:${name}`)))!;
}

function known<T>(cache: WeakMap<object, T>, paths: Paths, make: (paths: Paths) => T): T {
  let value = cache.get(paths);
  if (!value) {
    value = make(paths);
    cache.set(paths, value);
  }
  return value;
}
