/** A boolean of a URL's query as upstream reads it: anything but these, no value included, is true. `null`: it is absent. */
export function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== 'false' && value !== '0';
}
