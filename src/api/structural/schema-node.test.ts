import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTyped } from '../schema/fields/typed-check.ts';
import { fieldsOf } from '../schema/fields/typed-fields.ts';
import type { StructuralSchema } from './schema.ts';
import { resourceNode } from './schema-node.ts';

const keeps = { 'x-kubernetes-preserve-unknown-fields': true };
const text = { type: 'string' };

const specNode = (properties: Record<string, StructuralSchema>) =>
  resourceNode({ type: 'object', properties: { spec: { type: 'object', properties } } });

const mistakes = (properties: Record<string, StructuralSchema>, spec: object) => {
  try {
    checkTyped({ spec }, specNode(properties));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

test('what keeps unknown fields allows them in all that is below it', () => {
  const inner = { type: 'object', properties: { known: text } };
  const refused = '.spec.o.p.other: field not declared in schema';
  assert.equal(
    mistakes({ o: { type: 'object', properties: { p: inner } } }, { o: { p: { other: 1 } } }),
    refused,
  );
  assert.equal(
    mistakes({ o: { type: 'object', ...keeps, properties: { p: inner } } }, { o: { p: { other: 1 } } }),
    undefined,
  );
  assert.equal(mistakes({ l: { type: 'array', ...keeps, items: inner } }, { l: [{ other: 1 }] }), undefined);
});

test('an object of which nothing is said may have any fields', () => {
  assert.equal(mistakes({ o: { type: 'object' } }, { o: { other: { a: 1 } } }), undefined);
});

test('an object within has what every object has', () => {
  const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { a: text } };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { labels: { a: 'b' } }, a: 'c' };
  assert.equal(mistakes({ o: embedded }, { o: object }), undefined);
  assert.equal(mistakes({ o: embedded }, { o: { b: 1 } }), '.spec.o.b: field not declared in schema');
});

test('of unknown fields of an object the first is named', () => {
  const properties = { a: { type: 'object', properties: { known: text } } };
  assert.equal(
    mistakes(properties, { a: { x: 1, y: 1 }, z: 1 }),
    'errors:\n  .spec.a.x: field not declared in schema\n  .spec.z: field not declared in schema',
  );
});

test('a value of any type has owners for each of its keys, and one for a whole list', () => {
  const node = specNode({ any: keeps });
  assert.deepEqual(fieldsOf({ spec: { any: { a: { b: 1 }, l: [{ c: 1 }] } } }, node), {
    'f:spec': { 'f:any': { 'f:a': { '.': {}, 'f:b': {} }, 'f:l': {} } },
  });
  assert.deepEqual(fieldsOf({ spec: { any: 'text' } }, node), { 'f:spec': { 'f:any': {} } });
});
