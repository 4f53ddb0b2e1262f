/**
 * What upstream's parser of YAML says of a text that is none. It has a scanner and a parser, which count lines in ways of
 * their own: in errors of the scanner the first line is 1, in those of the parser 0, and neither names its first line.
 */

/** Where and why the library gave up. */
interface Failure {
  reason: string;
  mark?: { line: number; position: number } | undefined;
}

interface Problem {
  by: 'scanner' | 'parser';
  text: string;
}

const scanner = (text: string): Problem => ({ by: 'scanner', text });
const parser = (text: string): Problem => ({ by: 'parser', text });

const noToken = scanner('found character that cannot start any token');
const noColon = scanner("could not find expected ':'");
const noEnd = scanner('found unexpected end of stream');
const noName = scanner('did not find expected alphabetic or numeric character');
const noNode = parser('did not find expected node content');
const noKey = parser('did not find expected key');
const noItem = parser("did not find expected '-' indicator");

/** By the beginning of the library's reason. */
const problems: readonly [reason: RegExp, problem: Problem | ((text: string, at: number) => Problem)][] = [
  [/^bad indentation of a mapping entry/, (text, at) => strayCharacter(text, at) ?? noKey],
  [/^bad indentation of a sequence entry/, (text, at) => strayCharacter(text, at) ?? noItem],
  [/^end of the stream or a document separator/, endExpected],
  [/^(unexpected end of the stream within a flow|deficient indentation|missed comma)/, unfinished],
  [/^expected the node content/, noNode],
  [/^tab characters/, noToken],
  [/^(can not read|a multiline key|implicit|expected ':')/, noColon],
  [/^unexpected end of the stream within a (double|single)/, noEnd],
  [/^unexpected end of the document within a/, scanner('found unexpected document indicator')],
  [/^unexpected end of the stream within a verbatim/, scanner("did not find the expected '>'")],
  [/^unknown escape/, scanner('found unknown escape character')],
  [/^expected hexadecimal/, scanner('did not find expected hexdecimal number')],
  [/^name of an (anchor|alias)/, noName],
  [/^a line break is expected/, scanner('did not find expected comment or line break')],
];

/** `line 3: did not find expected key`, for a text that could not be read. */
export function syntaxProblem(text: string, { reason, mark = { line: 0, position: 0 } }: Failure): string {
  const found = problems.find(([pattern]) => pattern.test(reason))?.[1] ?? scanner(reason);
  const problem =
    tabProblem(text, mark.position) ?? (typeof found === 'function' ? found(text, mark.position) : found);
  const line = lineOf(problem, text, { reason, mark });
  return line > 0 ? `line ${line}: ${problem.text}` : problem.text;
}

function lineOf(problem: Problem, text: string, { reason, mark }: Required<Failure>): number {
  const { line, position } = mark;
  if (problem.by === 'parser') return position >= text.length ? lastLineOf(text) : line;
  let seen = line;
  if (problem === noEnd) seen = breaksIn(text);
  else if (reason.startsWith("expected ':'")) seen = nextLine(text, line);
  return seen > 0 ? seen + 1 : 0;
}

function breaksIn(text: string): number {
  return text.split('\n').length - 1;
}

/** The end of the text is on a line of its own. */
function lastLineOf(text: string): number {
  return breaksIn(text) + (text.endsWith('\n') ? 0 : 1);
}

/** Where the next token is. */
function nextLine(text: string, line: number): number {
  const lines = text.split('\n');
  const next = lines.findIndex((each, index) => index > line && /^\s*[^\s#]/.test(each));
  return next < 0 ? lastLineOf(text) : next;
}

/** Of a line that begins with a tab: it may have been taken for more of the plain text before it. */
function tabProblem(text: string, at: number): Problem | undefined {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  if (!/^ *\t/.test(text.slice(start, start + 1000))) return undefined;
  const before = text.slice(0, start).trimEnd();
  const isPlain = before !== '' && !/(?:^|\s)[-?]$|[:"'\]}|>]$|(?:^|\s)#.*$/.test(before);
  return isPlain ? scanner('found a tab character that violates indentation') : noToken;
}

/** What stands where nothing of the kind may be. */
function strayCharacter(text: string, at: number): Problem | undefined {
  const [character = '', next = ' '] = text.slice(at, at + 2);
  if (/[@`%\t]/.test(character)) return noToken;
  if (character === '}' || character === ']') return noNode;
  if (!/\s/.test(next)) return undefined;
  const kind = { ':': 'mapping values', '?': 'mapping keys', '-': 'block sequence entries' }[character];
  return kind ? scanner(`${kind} are not allowed in this context`) : undefined;
}

/** More follows where the document could have ended: what it is tells what could go on. */
function endExpected(text: string, at: number): Problem {
  const isAtStart = at === 0 || text[at - 1] === '\n';
  if (text[at] === '%' && isAtStart) return scanner('found unknown directive name');
  if (/[@`%]/.test(text[at] ?? '')) return noToken;
  const [first] = text.trimStart();
  if (first === '-') return noItem;
  return first === '{' || first === '[' ? parser('did not find expected <document start>') : noKey;
}

/** Within quotes, or brackets, of which the innermost tell what could go on. */
function unfinished(text: string, at: number): Problem {
  const before = text.slice(0, at).replaceAll(quotedOrComment, (found) => 'x'.repeat(found.length));
  if (/(?:^|[\s[{,])["']/.test(before)) return noEnd;
  const open: string[] = [];
  for (const [bracket] of before.matchAll(/[[\]{}]/g))
    if (bracket === '[' || bracket === '{') open.push(bracket);
    else open.pop();
  if (/[[{,]\s*$/.test(before)) return noNode;
  return parser(`did not find expected ',' or '${open.at(-1) === '{' ? '}' : ']'}'`);
}

const quotedOrComment = /"(?:[^"\\]|\\.)*"|'[^']*'|(?<=^|\s)#.*$/gm;
