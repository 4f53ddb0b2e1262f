/** YAML text to JSON values, as upstream's reader (YAML 1.1 words for booleans, JSON types only), within limits. */
import { isMap, isPair, isScalar, LineCounter, parseAllDocuments, visit } from 'yaml';
import { nestingDepthMax } from './decode.ts';
import type { ParsedText } from './json.ts';

export class YamlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'YamlError';
  }
}

/** Aliases may unfold to so many values for one that is written: more is an attack, not a document. */
const aliasExpansionMax = 100;

/**
 * The first document of the text. A key that stands twice is a problem; the last value counts.
 * @throws {YamlError} `yaml: line 1: …`
 */
export function parseYaml(text: string): ParsedText {
  if (indentationDepth(text) > nestingDepthMax) throw new YamlError('yaml: exceeded max depth of 10000');
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: '1.1',
    uniqueKeys: false,
    merge: true,
    lineCounter,
    logLevel: 'silent',
    prettyErrors: false,
    // Times of day, dates, sets and the like are plain strings or maps to upstream.
    customTags: (tags) =>
      tags.filter((tag) => {
        if (typeof tag === 'string') return tag === 'merge';
        const isTime = 'format' in tag && tag.format === 'TIME';
        return !isTime && !excludedTags.has(tag.tag);
      }),
  });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  if (!document) return { value: null, problems: [] };
  const error = document.errors[0];
  if (error) {
    const line = lineCounter.linePos(error.pos[0]).line;
    throw new YamlError(`yaml: line ${line}: ${firstLetterDown(error.message)}`);
  }
  const problems = duplicateKeys(document, lineCounter);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: aliasExpansionMax });
  } catch (cause) {
    if (cause instanceof ReferenceError && cause.message.startsWith('Excessive')) {
      throw new YamlError('yaml: document contains excessive aliasing');
    }
    throw new YamlError(`yaml: ${firstLetterDown(String((cause as Error).message))}`);
  }
  return { value, problems };
}

const excludedTags = new Set([
  'tag:yaml.org,2002:timestamp',
  'tag:yaml.org,2002:set',
  'tag:yaml.org,2002:omap',
  'tag:yaml.org,2002:pairs',
  'tag:yaml.org,2002:binary',
]);

function firstLetterDown(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/** An upper bound of how deep the text can nest: flow brackets, or dashes and indentation of one line. */
function indentationDepth(text: string): number {
  let flow = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, ++flow);
    else if ((code === 0x5d || code === 0x7d) && flow > 0) flow--;
  }
  for (const [indent] of text.matchAll(/^(?:[ ?-] ?)+/gm)) deepest = Math.max(deepest, indent.length);
  return deepest;
}

function duplicateKeys(document: Parameters<typeof visit>[0], lineCounter: LineCounter): string[] {
  const problems: string[] = [];
  visit(document, {
    Map(_, map) {
      if (!isMap(map)) return;
      const seen = new Set<unknown>();
      for (const pair of map.items) {
        if (!isPair(pair) || !isScalar(pair.key) || pair.key.value === '<<') continue;
        if (seen.has(pair.key.value)) {
          const line = lineCounter.linePos(pair.key.range?.[0] ?? 0).line;
          problems.push(`line ${line}: key ${JSON.stringify(String(pair.key.value))} already set in map`);
        }
        seen.add(pair.key.value);
      }
    },
  });
  return problems;
}
