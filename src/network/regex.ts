/** Regular expressions that users write. */

export function isRegex(text: string): boolean {
  try {
    return Boolean(new RegExp(text));
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
