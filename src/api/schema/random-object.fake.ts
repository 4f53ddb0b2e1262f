/** Random objects of a definition, for property tests: every field may be there, values are of every kind. */
import type { JsonObject } from '../../base/json-object.ts';
import type { Random } from '../../base/random.ts';
import type { SchemaNode } from './schemas.ts';

const words = ['', 'a', 'web', 'example.com/x', 'ümläut', '日本', '__proto__', 'a'.repeat(200), '"quoted"\n'];
const quantities = ['0', '1', '500m', '1Gi', '1536Mi', '1e3', '100k', '3n'];

/** Fields become rarer with depth, so that recursive definitions end. */
export function randomObject(node: SchemaNode, random: Random, depth = 0): JsonObject {
  const object: JsonObject = {};
  for (const field of node.fields?.values() ?? []) {
    // Protobuf has no room for the kind of an object within another.
    const isTypeMeta = field.name === 'apiVersion' || field.name === 'kind';
    const hasTypeMeta = node.fields!.has('metadata') || node.goType === 'v1.DeleteOptions';
    if (depth > 0 && isTypeMeta && hasTypeMeta) continue;
    if (random.next() < 0.65 / (1 + depth / 3))
      object[field.name] = randomValue(field.node, random, depth + 1);
  }
  return object;
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random.next() * items.length)]!;
}

function randomInteger(random: Random, bits: number | undefined): number | bigint {
  const max = bits === 32 ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER;
  const large = bits === 32 ? [] : [2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
  return pick([0, 1, -1, 80, max, -max, Math.floor(random.next() * max), ...large], random);
}

function randomValue(node: SchemaNode, random: Random, depth: number): unknown {
  switch (node.type) {
    case 'object':
      return randomObject(node, random, depth);
    case 'map': {
      const keys = words.filter((word) => word !== '__proto__' && random.next() < 0.3);
      return Object.fromEntries(keys.map((key) => [key, randomValue(node.element!, random, depth + 1)]));
    }
    case 'list': {
      // Protobuf does not tell an empty list from none.
      const length = 1 + Math.floor(random.next() * 2);
      return Array.from({ length }, () => randomValue(node.element!, random, depth + 1));
    }
    case 'string':
      return pick(words, random);
    case 'bytes':
      return Buffer.from(pick(words, random)).toString('base64');
    case 'integer':
      return randomInteger(random, node.bits);
    case 'number':
      return pick([0, 1.5, -2e300, 3], random);
    case 'boolean':
      return random.next() < 0.5;
    case 'time':
      return pick(['2026-01-01T00:00:00Z', '1999-12-31T23:59:59Z', '1969-07-20T20:17:40Z'], random);
    case 'microTime':
      return pick(['2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.123456Z'], random);
    case 'quantity':
      return pick(quantities, random);
    case 'intOrString':
      return pick([0, 8080, -5, 'http', '25%', ''], random);
    case 'schemaOr':
      return node.goType.endsWith('OrArray')
        ? randomObject(node.element!, random, depth + 1)
        : pick([true, false], random);
    case 'any':
      return pick<unknown>([{ a: 1, b: ['x', null] }, { kind: 'Foo' }, { n: 2n ** 53n + 1n }], random);
  }
}
