/** Objects of which a test provides only what the code under test reads. */

/** `T` with every field optional, at every depth; a method may be any function, as those of fakes know their caller. */
export type Sparse<T> = T extends (...args: never[]) => unknown
  ? (...args: never[]) => unknown
  : T extends readonly (infer Item)[]
    ? readonly Sparse<Item>[]
    : T extends object
      ? { [Field in keyof T]?: Sparse<T[Field]> }
      : T;

/** The one place where a test claims more than it provides; names and types of the given fields are still checked. */
export function sparse<T>(given: Sparse<T>): T {
  return given as T;
}
