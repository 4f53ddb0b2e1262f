/** The directives before a YAML document, `%YAML` and `%TAG`: which upstream takes, and its words for all others. */

interface Directive {
  name: 'YAML' | 'TAG';
  /** The version, or the handle that a tag begins with. */
  value: string;
}

/** Undefined: all are well. Otherwise `line 2: found unknown directive name`. */
export function directiveProblem(text: string): string | undefined {
  if (!/^%/m.test(text)) return undefined;
  const lines = text.split(/\r\n?|\n/);
  const seen: Directive[] = [];
  for (const [index, line] of lines.entries()) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    if (!line.startsWith('%'))
      return seen.length > 0 && !/^---(\s|$)/.test(line) ? unended(index) : undefined;
    const scanned = scanDirective(line);
    if (typeof scanned === 'string') return at(index && index + 1, scanned);
    const problem = misplaced(scanned, seen);
    if (problem) return at(index, problem);
    seen.push(scanned);
  }
  return seen.length > 0 ? unended(lines.length - 1) : undefined;
}

function unended(line: number): string {
  return at(line, 'did not find expected <document start>');
}

/** Upstream's parser counts lines from 0 where its scanner counts them from 1; neither names the first. */
function at(line: number, problem: string): string {
  return line === 0 ? problem : `line ${line}: ${problem}`;
}

function misplaced({ name, value }: Directive, seen: readonly Directive[]): string | undefined {
  if (seen.some((other) => other.name === name && (name === 'YAML' || other.value === value)))
    return `found duplicate %${name} directive`;
  return name === 'YAML' && value !== '1.1' ? 'found incompatible YAML document' : undefined;
}

/** A problem, as text, when it is none. */
function scanDirective(line: string): Directive | string {
  const name = /^%([\w-]*)/.exec(line)![1]!;
  const rest = line.slice(1 + name.length);
  if (name === '') return 'could not find expected directive name';
  if (!/^([ \t]|$)/.test(rest)) return 'found unexpected non-alphabetical character';
  if (name === 'YAML') return scanVersion(rest.trimStart());
  return name === 'TAG' ? scanTag(rest.trimStart()) : 'found unknown directive name';
}

const digitsMax = 2;

function scanVersion(text: string): Directive | string {
  const [major] = /^\d*/.exec(text)!;
  if (major.length > digitsMax) return 'found extremely long version number';
  if (!major) return 'did not find expected version number';
  if (text[major.length] !== '.') return "did not find expected digit or '.' character";
  const [minor] = /^\d*/.exec(text.slice(major.length + 1))!;
  if (minor.length > digitsMax) return 'found extremely long version number';
  if (!minor) return 'did not find expected version number';
  return withEnd(
    { name: 'YAML', value: `${Number(major)}.${Number(minor)}` },
    text.slice(major.length + 1 + minor.length),
  );
}

function scanTag(text: string): Directive | string {
  const handle = /^!([\w-]*!)?/.exec(text)?.[0];
  if (handle === undefined || (handle === '!' && /^!\S/.test(text))) return "did not find expected '!'";
  const rest = text.slice(handle.length);
  if (!/^[ \t]/.test(rest)) return 'did not find expected whitespace';
  const prefix = /^[\w;/?:@&=+$.,!~*'()[\]%-]*/.exec(rest.trimStart())![0];
  if (!prefix) return 'did not find expected tag URI';
  const end = rest.trimStart().slice(prefix.length);
  if (!/^([ \t]|$)/.test(end)) return 'did not find expected whitespace or line break';
  return withEnd({ name: 'TAG', value: handle }, end);
}

function withEnd(directive: Directive, end: string): Directive | string {
  return /^[ \t]*(#.*)?$/.test(end) ? directive : 'did not find expected comment or line break';
}
