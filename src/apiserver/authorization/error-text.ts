/** Several failures as one text, in the manner of upstream: each once, in brackets when there are more than one. */
export function errorText(errors: readonly string[]): string {
  const distinct = [...new Set(errors)];
  return distinct.length > 1 ? `[${distinct.join(', ')}]` : (distinct[0] ?? '');
}
