/** Kubernetes' `$(NAME)` references in commands, arguments and environment values. */

/** Replaces references that `lookup` knows; unknown ones stay as written, and `$$` stands for a dollar sign. */
export function expandReferences(text: string, lookup: (name: string) => string | undefined): string {
  if (!text.includes('$')) return text;
  let out = '';
  let index = 0;
  const lastEnd = text.lastIndexOf(')');
  while (index < text.length) {
    const char = text[index]!;
    if (char !== '$' || index + 1 >= text.length) {
      out += char;
      index++;
      continue;
    }
    const next = text[index + 1]!;
    if (next === '$') {
      out += '$';
      index += 2;
    } else if (next === '(') {
      // Looked for only where there is one: a text of nothing but beginnings would be read once for each.
      const end = index + 2 <= lastEnd ? text.indexOf(')', index + 2) : -1;
      if (end < 0) {
        out += '$(';
        index += 2;
        continue;
      }
      const name = text.slice(index + 2, end);
      out += lookup(name) ?? `$(${name})`;
      index = end + 1;
    } else {
      out += `$${next}`;
      index += 2;
    }
  }
  return out;
}
