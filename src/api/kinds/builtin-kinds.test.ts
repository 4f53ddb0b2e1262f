import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../../base/collections/deep-freeze.ts';
import { seededRandom } from '../../base/random.ts';
import names from '../data/names.json' with { type: 'json' };
import schemas from '../data/schemas.json' with { type: 'json' };
import type { KubeObject } from '../meta.ts';
import { asKubeObject, decode } from '../schema/decode.ts';
import { applySchemaDefaults } from '../schema/defaults.ts';
import { builtinKinds } from './builtin-kinds.ts';
import { randomResource } from './random-resource.fake.ts';

const rounds = 60;
const context = { subresource: '', apiVersion: 'v1' };

/** A random object as it comes from a decoder, some of its fields empty or null as clients send them. */
function decoded(schema: string, next: () => number): KubeObject {
  const object = randomResource(schema, next);
  const { metadata, ...content } = object;
  thin(content, next);
  const result = asKubeObject(decode(schema, content).object);
  result.metadata = { ...metadata, uid: 'u', creationTimestamp: '2020-01-01T00:00:00Z' };
  return result;
}

/** Empties some lists, objects and texts, at any depth. */
function thin(value: unknown, next: () => number): void {
  if (typeof value !== 'object' || value === null) return;
  const fields = value as Record<string, unknown>;
  for (const key of Object.keys(fields)) {
    if (next() < 0.06) fields[key] = emptied(fields[key], next);
    else thin(fields[key], next);
  }
}

function emptied(value: unknown, next: () => number): unknown {
  if (next() < 0.4) return null;
  if (Array.isArray(value)) return [];
  if (typeof value === 'object') return {};
  // Decoding refuses empty times and quantities.
  if (typeof value === 'string') return value.startsWith('x') ? '' : value;
  return typeof value === 'number' ? 0 : false;
}

test('every kind of the name facts is served, and every definition that kinds name exists', () => {
  const known = new Set(Object.keys(schemas));
  const served = new Set(builtinKinds.map(({ type }) => `${type.group}/${type.kind}`));
  for (const [group, kinds] of Object.entries(names))
    for (const kind of Object.keys(kinds))
      if (group !== 'events.k8s.io') assert.ok(served.has(`${group}/${kind}`), `${group}/${kind}`);
  for (const { schema, versions } of builtinKinds)
    for (const name of [schema, ...versions.map((version) => version.schema)])
      assert.ok(known.has(name), name);
});

for (const kind of builtinKinds)
  test(`whatever a client sends as ${kind.type.kind}, its rules answer and do not throw`, () => {
    const random = seededRandom(11);
    const next = () => random.next();
    for (let round = 0; round < rounds; round++) {
      const object = decoded(kind.schema, next);
      applySchemaDefaults(kind.schema, object);
      kind.defaults?.(object);
      const once = structuredClone(object);
      kind.defaults?.(object);
      assert.deepEqual(object, once, 'defaults are idempotent');
      // What is stored is frozen, and asked for again with every change of its status.
      kind.defaults?.(deepFreeze(once));
      const old = deepFreeze(structuredClone(object));
      kind.prepareCreate?.(object);
      for (const error of kind.validate(object, context)) assert.ok(error.field && error.detail, error.text);
      kind.selectableFields?.(object);
      for (const column of kind.columns)
        assert.notEqual(column.cell(object, { nowMs: 0 }), undefined, column.name);
      const next2 = decoded(kind.schema, next);
      applySchemaDefaults(kind.schema, next2);
      kind.defaults?.(next2);
      kind.prepareUpdate?.(next2, old, '2026-01-01T00:00:00Z');
      kind.defaults?.(next2);
      for (const error of kind.validateUpdate?.(next2, old, context) ?? [])
        assert.ok(error.field, error.text);
      const withStatus = decoded(kind.schema, next);
      kind.prepareStatusUpdate?.(withStatus, old, '2026-01-01T00:00:00Z');
      kind.defaults?.(withStatus);
      [...(kind.warnings?.(object, undefined) ?? [])];
    }
  });
