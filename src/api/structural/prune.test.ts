import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pruneResource } from './prune.ts';
import type { StructuralSchema } from './schema.ts';

const [keeps, a] = [{ 'x-kubernetes-preserve-unknown-fields': true }, { a: { type: 'string' } }];
const object = { type: 'object', properties: a };

const rows: [what: string, schema: object, given: unknown, left: unknown, removed: string[]][] = [
  ['an unknown field', object, { a: 'x', b: 1 }, { a: 'x' }, ['x.b']],
  [
    'unknown fields of items',
    { type: 'array', items: object },
    [{ a: 'x', b: 1 }, { c: 1 }],
    [{ a: 'x' }, {}],
    ['x[0].b', 'x[1].c'],
  ],
  ['a list where an object should be', object, [{ a: 'x' }, 1], [{}, 1], ['x[0].a']],
  ['an object where a list should be', { type: 'array', items: object }, { a: 'x' }, {}, ['x.a']],
  ['an object where a string should be', { type: 'string' }, { a: [{ b: 1 }] }, {}, ['x.a']],
  ['nothing of what keeps unknown fields', { ...object, ...keeps }, { b: { c: 1 } }, { b: { c: 1 } }, []],
  [
    'what is known, below what keeps unknown fields',
    { type: 'object', ...keeps, properties: { o: object } },
    { o: { b: 1 }, p: { b: 1 } },
    { o: {}, p: { b: 1 } },
    ['x.o.b'],
  ],
  [
    'what is below the items of a list that keeps unknown fields, not these themselves',
    { ...keeps, items: { type: 'object', properties: { o: object } } },
    [{ b: 1, o: { b: 1 } }],
    [{ b: 1, o: {} }],
    ['x[0].o.b'],
  ],
  [
    'all fields below keys that may be any',
    { type: 'object', additionalProperties: true },
    { m: { b: 1 }, n: 1, l: [{ c: 1 }] },
    { m: {}, n: 1, l: [{}] },
    ['x.m.b', 'x.l[0].c'],
  ],
];

for (const [what, schema, given, left, removed] of rows)
  test(`pruned is ${what}`, () => {
    const whole = { kind: 'K', x: structuredClone(given) } as Record<string, unknown>;
    const root = { type: 'object', properties: { x: schema } } as StructuralSchema;
    assert.deepEqual(pruneResource(root, whole), removed);
    assert.deepEqual(whole, { kind: 'K', x: left });
  });
