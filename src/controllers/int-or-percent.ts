/** Numbers or percentages of a whole, as in `maxSurge: 25%`. */

/** @returns 0 for text that is not a percentage, which validation has already refused */
export function scaledValue(value: number | string, whole: number, rounding: 'up' | 'down'): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value)?.[1];
  if (percent === undefined) return 0;
  const exact = (Number(percent) * whole) / 100;
  return rounding === 'up' ? Math.ceil(exact) : Math.floor(exact);
}
