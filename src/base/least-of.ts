/** The least of the numbers that are known: of times, the first. Undefined when none is. */
export function leastOf(...numbers: readonly (number | undefined)[]): number | undefined {
  let least: number | undefined;
  for (const number of numbers)
    if (number !== undefined && (least === undefined || number < least)) least = number;
  return least;
}
