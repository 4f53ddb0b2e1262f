/** Reads the signatures of functions: `list(A).indexOf(A): int`, in which a capital letter stands for any type. */
import { type CelType, dyn } from './types.ts';

export interface Overload {
  /** Called on its first argument: `text.size()`. */
  isMethod: boolean;
  args: CelType[];
  result: CelType;
}

const simple = new Set(['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration']);
const namespaces = new Set(['sets', 'lists', 'strings', 'optional', 'format', 'jsonpatch', 'ip']);

/** By name, those of namespaces with it. */
export function parseSignatures(signatures: readonly string[]): Map<string, Overload[]> {
  const all = new Map<string, Overload[]>();
  for (const signature of signatures) {
    const { name, overload } = parseSignature(signature);
    all.set(name, [...(all.get(name) ?? []), overload]);
  }
  return all;
}

/** `list(A).indexOf(A): int` */
function parseSignature(signature: string): { name: string; overload: Overload } {
  const [head, result] = signature.split(/: (?=[^:]*$)/) as [string, string];
  const open = argumentsAt(head);
  const callee = head.slice(0, open);
  const args = splitTypes(head.slice(open + 1, -1)).map(parseType);
  const dot = callee.lastIndexOf('.');
  const receiver = callee.slice(0, Math.max(dot, 0));
  if (dot < 0 || callee.startsWith('_') || namespaces.has(receiver))
    return { name: callee, overload: { isMethod: false, args, result: parseType(result) } };
  return {
    name: callee.slice(dot + 1),
    overload: { isMethod: true, args: [parseType(receiver), ...args], result: parseType(result) },
  };
}

/** Where the last parenthesis opens that closes at the end. */
function argumentsAt(head: string): number {
  let depth = 0;
  for (let at = head.length - 1; at >= 0; at--) {
    if (head[at] === ')') depth++;
    if (head[at] === '(' && --depth === 0) return at;
  }
  throw new Error(`no arguments in ${head}`);
}

function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (text[at] === '(') depth++;
    if (text[at] === ')') depth--;
    if (at === text.length || (text[at] === ',' && depth === 0)) {
      const part = text.slice(start, at).trim();
      if (part) parts.push(part);
      start = at + 1;
    }
  }
  return parts;
}

function parseType(text: string): CelType {
  if (simple.has(text)) return { kind: text } as CelType;
  if (text === 'dyn') return dyn;
  if (/^[A-Z]$/.test(text)) return { kind: 'param', name: text };
  const [, outer, inner] = /^(list|map|optional|type)\((.*)\)$/.exec(text) ?? [];
  if (!outer) return { kind: 'opaque', name: text };
  const [first, second] = splitTypes(inner!).map(parseType);
  if (outer === 'map') return { kind: 'map', key: first!, of: second! };
  return { kind: outer as 'list', of: first! };
}
