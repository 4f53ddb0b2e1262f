/** Whether two sets of labels are equal; absent ones are none. */
import type { Labels } from './label-selector.ts';

export function sameLabels(left: Labels = {}, right: Labels = {}): boolean {
  if (left === right) return true;
  // Not by for-in, which is slow for objects that are all of different shapes.
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}
