/** The tokens of an expression, with errors for what is not one. */

export type TokenKind =
  | 'IDENTIFIER'
  | 'ESC_IDENTIFIER'
  | 'NUM_INT'
  | 'NUM_UINT'
  | 'NUM_FLOAT'
  | 'STRING'
  | 'BYTES'
  | 'KEYWORD'
  | 'SIGN'
  | 'EOF';

export interface Token {
  kind: TokenKind;
  text: string;
  at: number;
}

/** The error, and its position in the source. */
export interface Problem {
  at: number;
  text: string;
}

const keywords = new Set(['true', 'false', 'null', 'in']);
const escaped = String.raw`\\(?:[abfnrtv"'\\?\x60]|x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})`;
const rawStrings = String.raw`[rR](?:"""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\r\n]*"|'[^'\r\n]*')`;
const strings = String.raw`"""(?:${escaped}|[^\\])*?"""|'''(?:${escaped}|[^\\])*?'''|"(?:${escaped}|[^\\"\r\n])*"|'(?:${escaped}|[^\\'\r\n])*'`;

const patterns: readonly (readonly [TokenKind | 'SPACE', RegExp])[] = [
  ['SPACE', /(?:[ \t\r\n\f]+|\/\/[^\n]*)/y],
  ['BYTES', new RegExp(`[bB](?:${rawStrings}|${strings})`, 'y')],
  ['STRING', new RegExp(`(?:${rawStrings}|${strings})`, 'y')],
  ['NUM_FLOAT', /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)/y],
  ['NUM_UINT', /(?:0x[0-9a-fA-F]+|\d+)[uU]/y],
  ['NUM_INT', /(?:0x[0-9a-fA-F]+|\d+)/y],
  ['ESC_IDENTIFIER', /`[a-zA-Z0-9_.\-/ ]+`/y],
  ['IDENTIFIER', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['SIGN', /(?:==|!=|<=|>=|&&|\|\||[<>()[\]{}.,\-!?:+*/%])/y],
];

/** Signs that are two characters long or nothing: the second is read with them. */
const halves = new Set(['=', '&', '|']);

export function tokenize(source: string): { tokens: Token[]; problems: Problem[] } {
  const tokens: Token[] = [];
  const problems: Problem[] = [];
  let at = 0;
  while (at < source.length) {
    const found = tokenAt(source, at);
    if (!found) {
      const text = unreadableAt(source, at);
      problems.push({ at, text: `Syntax error: token recognition error at: '${text}'` });
      at += text.length;
    } else {
      if (found.kind !== 'SPACE') tokens.push({ ...found, kind: found.kind, at });
      at += found.text.length;
    }
  }
  tokens.push({ kind: 'EOF', text: '<EOF>', at });
  return { tokens, problems };
}

function tokenAt(source: string, at: number): { kind: TokenKind | 'SPACE'; text: string } | undefined {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const text = pattern.exec(source)?.[0];
    if (text !== undefined) return { kind: keywords.has(text) ? 'KEYWORD' : kind, text };
  }
  return undefined;
}

function unreadableAt(source: string, at: number): string {
  const first = String.fromCodePoint(source.codePointAt(at)!);
  if (halves.has(first)) return source.slice(at, at + 2);
  const quoted = /^[rRbB]*(["'])(?:\\[abfnrtv"'\\?]|(?!\1)[^\\\r\n])*(?:\\[\s\S]?)?/.exec(source.slice(at));
  return quoted ? quoted[0] : first;
}
