/** Regular expressions: Go's, in time linear in the text, which may be long and matched in every round of a loop. */
import type { Environment } from '@marcbachmann/cel-js';
import { RE2JS, RE2JSSyntaxException } from 're2js';
import { spendText } from '../budget.ts';
import { replacementOf } from '../replaced-methods.ts';

export function registerPatterns(environment: Environment): void {
  environment
    .registerFunction('matches(string, string): bool', matches)
    .registerFunction(`string.${replacementOf('matches')}(string): bool`, matches)
    .registerFunction('string.find(string): string', (text: string, pattern: string) => find(text, pattern))
    .registerFunction('string.findAll(string): list', (text: string, pattern: string) =>
      findAll(text, pattern, -1n),
    )
    .registerFunction('string.findAll(string, int): list', findAll);
}

function matcherOf(text: string, pattern: string) {
  spendText(text.length + pattern.length);
  return RE2JS.compile(pattern).matcher(text);
}

function searcherOf(text: string, pattern: string) {
  try {
    return matcherOf(text, pattern);
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    throw new Error(`Illegal regex: ${error.message}`, { cause: error });
  }
}

function matches(text: string, pattern: string): boolean {
  return matcherOf(text, pattern).find();
}

function find(text: string, pattern: string): string {
  const matcher = searcherOf(text, pattern);
  return matcher.find() ? (matcher.group() ?? '') : '';
}

/** As Go, without the empty matches right behind another. */
function findAll(text: string, pattern: string, limit: bigint): string[] {
  const matcher = searcherOf(text, pattern);
  const found: string[] = [];
  let end = -1;
  while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) {
    if (matcher.end() === matcher.start() && matcher.start() === end) continue;
    end = matcher.end();
    found.push(matcher.group() ?? '');
  }
  return found;
}
