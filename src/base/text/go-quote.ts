/** Text between quotes as Go prints it (`%q`): control characters in Go's own forms, not in those of JSON. */

const named: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** What Go does not count as printable; of all blanks, only the common one is. */
const escaped = /["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

export function goQuote(text: string): string {
  return `"${text.replace(escaped, (char) => named[char] ?? numbered(char.codePointAt(0)!))}"`;
}

function numbered(code: number): string {
  const digits = (width: number) => code.toString(16).padStart(width, '0');
  if (code < 0x80) return `\\x${digits(2)}`;
  return code < 0x10000 ? `\\u${digits(4)}` : `\\U${digits(8)}`;
}
