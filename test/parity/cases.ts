/** The recorded facts of an upstream API server: how a case looks, and how its placeholders are filled in. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export interface ParityStep {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
  /** Repeat until that status code, that text in the answer, or that list item is there. */
  until?: number | string | Record<string, unknown>;
  settle?: ParityStep;
  /** Milliseconds before it. */
  pause?: number;
}

export interface ParityCase {
  id: string;
  area: string;
  note: string;
  given: ParityStep[];
  request: ParityStep & { during?: ParityStep[] };
  serial?: boolean;
  cleanup?: ParityStep[];
  managedFields?: boolean;
  only?: string[];
  keysOnly?: boolean;
  expect: ParityExpectation;
}

export interface ParityExpectation {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
  text?: string;
  events?: { type: string; object?: unknown }[];
  given?: number[];
}

export function loadCases(): ParityCase[] {
  const packed = readFileSync(new URL('data/cases.jsonl.gz', import.meta.url));
  return gunzipSync(packed)
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ParityCase);
}

/** `<ns>`, `<N.path>` and `<repeat:x:N>` within every string of a value. */
export function fillIn<T>(value: T, namespace: string, answers: readonly unknown[]): T {
  const fill = (text: string) =>
    text
      .replaceAll('<ns>', namespace)
      .replace(/<repeat:(.*?):(\d+)>/gs, (_, part: string, count: string) => part.repeat(Number(count)))
      .replace(/<(\d+)\.([^<>]+)>/g, (whole, step: string, path: string) => {
        const found = valueAt(answers[Number(step)], path);
        return found === undefined ? whole : String(found);
      });
  const walk = (node: unknown): unknown => {
    // Alone, a placeholder of an object or a list stands for it itself.
    const whole = typeof node === 'string' ? /^<(\d+)\.([^<>]*)>$/.exec(node) : null;
    const found = whole && valueAt(answers[Number(whole[1])], whole[2]!);
    if (typeof found === 'object' && found !== null) return found;
    if (typeof node === 'string') return fill(node);
    if (Array.isArray(node)) return node.map(walk);
    if (typeof node === 'object' && node !== null)
      return Object.fromEntries(Object.entries(node).map(([key, item]) => [fill(key), walk(item)]));
    return node;
  };
  return walk(value) as T;
}

function valueAt(value: unknown, path: string): unknown {
  let current = value;
  if (path === '') return current;
  for (const part of path.split('.')) current = (current as Record<string, unknown> | undefined)?.[part];
  return current;
}
