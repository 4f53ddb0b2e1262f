/** The JSONPath of printer columns and scale paths: `.spec.size`, `.items[0].name`, `.conditions[?(@.type=="Ready")].status`. */

import { isJsonObject } from '../../base/json-object.ts';

type Step =
  | { kind: 'key'; key: string }
  | { kind: 'index'; index: number }
  | { kind: 'all' }
  | { kind: 'filter'; path: JsonPath; operator: string; value: unknown };

/** A parsed path; apply it with {@link findAll}. */
export type JsonPath = readonly Step[];

export class JsonPathError extends Error {
  constructor(path: string) {
    super(`unrecognized JSONPath ${JSON.stringify(path)}`);
    this.name = 'JsonPathError';
  }
}

const stepPattern =
  /\.([A-Za-z0-9_$-](?:[^.[\]\\]|\\.)*)|\[(-?\d+)\]|\[(\*)\]|\.(\*)|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]|\[\?\(@((?:[^)"']|"[^"]*"|'[^']*')*)\)\]/y;
const conditionPattern = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.+)$/;

/** @throws JsonPathError */
export function parseJsonPath(path: string): JsonPath {
  const steps: Step[] = [];
  for (let at = 0; at < path.length; ) {
    stepPattern.lastIndex = at;
    const match = stepPattern.exec(path);
    if (!match) throw new JsonPathError(path);
    at = stepPattern.lastIndex;
    steps.push(stepOf(path, match));
  }
  if (steps.length === 0) throw new JsonPathError(path);
  return steps;
}

function stepOf(path: string, match: RegExpExecArray): Step {
  const [, plain, index, starItem, starKey, single, double, condition] = match;
  if (index !== undefined) return { kind: 'index', index: Number(index) };
  if (starItem || starKey) return { kind: 'all' };
  if (condition === undefined) {
    return { kind: 'key', key: (plain ?? single ?? double ?? '').replaceAll(/\\(.)/g, '$1') };
  }
  const [, inner, operator, literal] = conditionPattern.exec(condition.trim()) ?? [];
  if (inner === undefined || !operator || !literal) throw new JsonPathError(path);
  return { kind: 'filter', path: parseJsonPath(inner), operator, value: literalOf(literal.trim()) };
}

function literalOf(text: string): unknown {
  const quoted = /^(["'])(.*)\1$/.exec(text);
  if (quoted) return quoted[2];
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}

/** Every value that the path leads to; none when it leads nowhere. */
export function findAll(path: JsonPath, root: unknown): unknown[] {
  let found: unknown[] = [root];
  for (const step of path) found = found.flatMap((value) => follow(step, value));
  return found.filter((value) => value !== undefined);
}

function follow(step: Step, value: unknown): unknown[] {
  if (step.kind === 'key')
    return isJsonObject(value) && Object.hasOwn(value, step.key) ? [value[step.key]] : [];
  if (step.kind === 'index') return Array.isArray(value) ? [value.at(step.index)] : [];
  const children = Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : [];
  if (step.kind === 'all') return children;
  return children.filter((child) => holds(step, findAll(step.path, child)[0]));
}

function holds({ operator, value }: Extract<Step, { kind: 'filter' }>, actual: unknown): boolean {
  if (typeof actual === 'bigint') return holds({ operator, value } as never, Number(actual));
  if (operator === '==') return actual === value;
  if (operator === '!=') return actual !== value;
  if (typeof actual !== typeof value || (typeof actual !== 'number' && typeof actual !== 'string'))
    return false;
  const [left, right] = [actual as number, value as number];
  if (operator === '<') return left < right;
  if (operator === '>') return left > right;
  return operator === '<=' ? left <= right : left >= right;
}
