/** YAML text and JSON values, as upstream reads and writes them: YAML 1.1 words for booleans, JSON types only, within limits. */

import {
  boolYaml11Tag,
  defineMappingTag,
  defineScalarTag,
  defineSequenceTag,
  floatCoreTag,
  intYaml11Tag,
  load,
  mapTag,
  mergeTag,
  NOT_RESOLVED,
  nullYaml11Tag,
  Schema,
  seqTag,
  strTag,
  YAMLException,
} from 'js-yaml';
import type { JsonObject } from '../../../base/json-object.ts';
import { exactInteger } from '../../../base/text/exact-json.ts';
import { nestingDepthMax, setKey } from '../decode.ts';
import { goSyntax } from '../json-value.ts';
import { problemText, type RepeatedKey } from './body-problem.ts';
import { JsonError, type ParsedText, parseJson } from './json.ts';
import { directiveProblem } from './yaml-directives.ts';
import { syntaxProblem } from './yaml-syntax.ts';

export class YamlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'YamlError';
  }
}

/** Aliases of one document, keys that it merges with `<<`, and values that its aliases unfold to. */
const aliasesMax = 10_000;
const mergedKeysMax = 10_000;
const unfoldedValuesMax = 1_000_000;
const unfoldedCharactersMax = 16 * 1024 * 1024;

/** As upstream reads whole numbers: `80:80`, a number to base 60 in YAML 1.1, is a string, and `0o17` a number. */
const integerTag = defineScalarTag(intYaml11Tag.tagName, {
  ...intYaml11Tag,
  resolve(source, isExplicit, tagName) {
    if (source.includes(':')) return NOT_RESOLVED;
    if (/^[-+]?0o[0-7]+$/.test(source)) return Number.parseInt(source.replace('0o', ''), 8);
    const value = intYaml11Tag.resolve(source, isExplicit, tagName);
    const isExact = typeof value !== 'number' || Number.isSafeInteger(value);
    return isExact ? value : (exactInteger(source.replaceAll('_', '').replace(/^\+/, '')) ?? value);
  },
});

/** A text, whose bytes are written in base64. */
const binaryTag = defineScalarTag('tag:yaml.org,2002:binary', {
  resolve(source) {
    const packed = source.replace(/[\r\n]/g, '');
    const isBase64 = packed.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(packed);
    return isBase64 ? Buffer.from(packed, 'base64').toString() : NOT_RESOLVED;
  },
  identify: () => false,
});

/** Keys are texts, or become ones; what JSON has no key for is refused in upstream's words. */
const objectTag = defineMappingTag(mapTag.tagName, {
  ...mapTag,
  addPair(carrier, key, value) {
    if (key === null) return `unsupported map key of type: %!s(<nil>), key: <nil>, value: ${goSyntax(value)}`;
    if (typeof key === 'object')
      return `invalid map key: ${goSyntax(key).replaceAll('map[string]', 'map[interface {}]')}`;
    return mapTag.addPair(carrier, key, value);
  },
});

/** Tags that say nothing to upstream, such as those of dates and sets and an application's own. */
const otherTags = ['!', 'tag:'].flatMap((prefix) => [
  defineScalarTag(prefix, { ...strTag, implicit: false, matchByTagPrefix: true }),
  defineSequenceTag(prefix, { ...seqTag, matchByTagPrefix: true }),
  defineMappingTag(prefix, { ...objectTag, matchByTagPrefix: true }),
]);

const schema = new Schema([
  strTag,
  seqTag,
  objectTag,
  binaryTag,
  ...otherTags,
  nullYaml11Tag,
  boolYaml11Tag,
  integerTag,
  floatCoreTag,
  mergeTag,
]);

/**
 * The first document of the text. A duplicate key is a problem; its last value counts.
 * @throws {YamlError} `yaml: line 1: …`
 */
export function parseYaml(text: string): ParsedText {
  const json = parseAsJson(text);
  if (json) return json;
  const problem = directiveProblem(text);
  if (problem !== undefined) throw new YamlError(`yaml: ${problem}`);
  return parseAsYaml(firstDocument(text));
}

/** As {@link parseYaml}, where a duplicate key is an error, too. @throws {YamlError} */
export function parseYamlStrictly(text: string): unknown {
  const { value, problems } = parseYaml(text);
  if (problems[0] !== undefined) throw new YamlError(`yaml: ${problemText(problems[0])}`);
  return value;
}

/**
 * Undefined: it is not JSON. JSON is YAML, and what kubectl applies is JSON: its own parser is a hundred times faster.
 */
export function parseAsJson(text: string): ParsedText | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

/** With its directives. What comes after the first document is not even read. */
function firstDocument(whole: string): string {
  const end = whole.search(/^\.\.\.(?=\s|$)/m);
  const text = end < 0 ? whole : whole.slice(0, end);
  let start = 0;
  for (const { index } of text.matchAll(/^---(?=\s|$)/gm)) {
    if (/^[^#\s%]/m.test(text.slice(start, index))) return text.slice(start, index);
    if (!/^%/m.test(text.slice(start, index))) start = index + 3;
  }
  return text.slice(start);
}

/**
 * A line with more than a comment. Only blanks may come before that: white space that reached over line breaks would be
 * searched anew from each of many empty lines.
 */
const content = /^[^\S\n\r\u2028\u2029]*[^#\s]/m;

function parseAsYaml(text: string): ParsedText {
  if (!content.test(text)) return { value: null, problems: [] };
  const problems: RepeatedKey[] = [];
  let value: unknown;
  try {
    value = read(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const indented = isTooFarLeft(error) ? withIndentedLines(text, error) : undefined;
    if (indented !== undefined) return parseAsYaml(indented);
    if (error.reason !== 'duplicated mapping key') throw asYamlError(error, text);
    problems.push(repeatedKey(error, text));
    try {
      value = read(text, { mayRepeatKeys: true });
    } catch (second) {
      throw second instanceof YAMLException ? asYamlError(second, text) : second;
    }
  }
  if (text.includes('*')) checkUnfolded(value);
  if (/\.(inf|nan)/i.test(text)) requireFinite(value);
  return { value: value ?? null, problems };
}

function read(text: string, options: { mayRepeatKeys?: boolean } = {}): unknown {
  const value = loaded(text, options);
  return mayEndInBlock(text) ? withOpenEnd(value, text, options) : value;
}

/** Whether the last line has no end, and may belong to a text of several lines. */
function mayEndInBlock(text: string): boolean {
  return !text.endsWith('\n') && /[|>][-+\d]*[ \t]*(?:#.*)?$/m.test(text);
}

/**
 * The library takes a line break at the end for granted, also where it counts. It is found by what the last line is made to
 * say in addition.
 */
function withOpenEnd(value: unknown, text: string, options: { mayRepeatKeys?: boolean }): unknown {
  try {
    return withoutEnd(loaded(text + endMark, options), `${endMark}\n`) ?? value;
  } catch (error) {
    // With more in it, the line would be another.
    if (error instanceof YAMLException) return value;
    throw error;
  }
}

const endMark = '\u{e000}end\u{e000}';

/** Undefined when no text has the end. */
function withoutEnd(value: unknown, end: string): unknown {
  if (typeof value === 'string') return value.endsWith(end) ? value.slice(0, -end.length) : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, each] of Object.entries(value)) {
    const ended = withoutEnd(each, end);
    if (ended === undefined) continue;
    setKey(value as JsonObject, key, ended);
    return value;
  }
  return undefined;
}

function loaded(text: string, { mayRepeatKeys = false }: { mayRepeatKeys?: boolean }): unknown {
  return load(text, {
    schema,
    json: mayRepeatKeys,
    maxDepth: nestingDepthMax,
    maxAliases: aliasesMax,
    maxTotalMergeKeys: mergedKeysMax,
  });
}

function repeatedKey({ mark }: YAMLException, text: string): RepeatedKey {
  const key = /^\s*("[^"\n]*"|'[^'\n]*'|[^:\n]*)/.exec(text.slice(mark?.position ?? 0))?.[1] ?? '';
  return {
    kind: 'repeated key',
    line: (mark?.line ?? 0) + 1,
    key: key.trim().replaceAll(/^["']|["']$/g, ''),
  };
}

function isTooFarLeft({ reason }: YAMLException): boolean {
  return reason === 'deficient indentation';
}

/** Characters that are looked at to indent the lines of one text. */
const indentedCharactersMax = 16 * 1024 * 1024;

/**
 * To upstream, lines within brackets and quotes may begin anywhere: they get as many blanks more as the library wants, which
 * say nothing there. Undefined when there is nothing to be done, or it takes too long.
 */
function withIndentedLines(text: string, { mark }: YAMLException): string | undefined {
  let indented = text;
  let place = mark;
  let blanks = indentation;
  for (let left = indentedCharactersMax; place && left > 0; left -= indented.length) {
    const { line, column, position } = place;
    const start = position - column;
    if (start >= indented.length || /^(---|\.\.\.)(\s|$)/.test(indented.slice(start, start + 4)))
      return undefined;
    indented = indented.slice(0, start) + blanks + indented.slice(start);
    try {
      read(indented, { mayRepeatKeys: true });
      return indented;
    } catch (error) {
      if (!(error instanceof YAMLException) || !isTooFarLeft(error)) return indented;
      place = error.mark;
    }
    blanks = place?.line === line ? blanks + blanks : indentation;
  }
  return undefined;
}

const indentation = ' '.repeat(16);

function asYamlError({ reason, mark }: YAMLException, text: string): YamlError {
  const anchor = /^unidentified alias "(.*)"/.exec(reason)?.[1];
  if (anchor !== undefined) return new YamlError(`yaml: unknown anchor '${anchor}' referenced`);
  if (/^cannot resolve a node with !<tag:yaml.org,2002:binary>/.test(reason))
    return new YamlError('yaml: !!binary value contains invalid base64 data');
  if (reason.startsWith('invalid map key')) return new YamlError(`yaml: ${reason}`);
  if (reason.startsWith('unsupported map key')) return new YamlError(reason);
  if (/^(alias count|too many aliases|.*maxAliases|.*maxTotalMergeKeys)/.test(reason))
    return new YamlError('yaml: document contains excessive aliasing');
  if (reason.startsWith('nesting exceeded')) return new YamlError('yaml: exceeded max depth of 10000');
  return new YamlError(`yaml: ${syntaxProblem(text, { reason, mark })}`);
}

/** YAML has numbers that JSON lacks. @throws {YamlError} */
function requireFinite(value: unknown): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    const text = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
    throw new YamlError(`json: unsupported value: ${text}`);
  }
  if (typeof value === 'object' && value !== null)
    for (const each of Object.values(value)) requireFinite(each);
}

/** Aliases share what they stand for until it is written out: many of a large value would fill all memory then. */
function checkUnfolded(root: unknown): void {
  let values = 0;
  let characters = 0;
  const visit = (value: unknown, depth: number): void => {
    values++;
    if (typeof value === 'string') characters += value.length;
    // What contains itself has no end.
    const isEndless = depth > nestingDepthMax;
    if (isEndless || values > unfoldedValuesMax || characters > unfoldedCharactersMax) {
      throw new YamlError('yaml: document contains excessive aliasing');
    }
    if (typeof value === 'object' && value !== null) {
      for (const key in value) visit((value as Record<string, unknown>)[key], depth + 1);
    }
  };
  visit(root, 0);
}
