/** The values of literals. */

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** What a text literal says, quotes and escapes resolved. */
export function stringValueOf(literal: string): string {
  const [, prefix, , body = ''] = /^([rR]?)("""|'''|"|')([\s\S]*)\2$/.exec(literal) ?? [];
  if (prefix) return body;
  return body.replaceAll(
    /\\(?:[xX]([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-3][0-7]{2})|([\s\S]))/g,
    (_, hex?: string, short?: string, long?: string, octal?: string, character = '') => {
      const code = hex ?? short ?? long;
      if (code !== undefined) return codePoint(Number.parseInt(code, 16));
      if (octal !== undefined) return codePoint(Number.parseInt(octal, 8));
      return escapes[character] ?? character;
    },
  );
}

function codePoint(code: number): string {
  return code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code);
}
