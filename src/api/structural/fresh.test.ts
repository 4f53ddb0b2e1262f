/** What is asked of an object, whether it is pruned and has its defaults, against doing both. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../base/json-object.ts';
import { seededRandom } from '../../base/random.ts';
import { cloneJson, equalJson } from '../schema/json-value.ts';
import { applyStructuralDefaults, hasDefaults } from './default.ts';
import { isPruned, pruneResource } from './prune.ts';
import type { StructuralSchema } from './schema.ts';

const random = seededRandom(3);
const below = (count: number) => Math.floor(random.next() * count);
const keys = ['a', 'b', 'metadata', '__proto__'];

function randomSchema(depth: number): StructuralSchema {
  const schema: Record<string, unknown> = {};
  const child = () => randomSchema(depth - 1);
  if (below(6) === 0) schema['x-kubernetes-preserve-unknown-fields'] = true;
  if (below(8) === 0) schema['x-kubernetes-embedded-resource'] = true;
  if (below(4) === 0) schema.nullable = true;
  if (below(5) === 0) schema.default = [1, null, {}, [{}]][below(4)];
  if (depth > 0 && below(2) === 0) {
    schema.properties = Object.fromEntries(keys.filter(() => below(2) === 0).map((key) => [key, child()]));
  }
  if (depth > 0 && below(4) === 0) schema.items = child();
  if (depth > 0 && below(4) === 0) schema.additionalProperties = below(3) === 0 ? true : child();
  return schema as StructuralSchema;
}

function randomValue(depth: number): unknown {
  const kind = below(depth > 0 ? 5 : 2);
  if (kind < 2) return [1, null][kind];
  if (kind === 2) return Array.from({ length: below(3) }, () => randomValue(depth - 1));
  return JSON.parse(
    `{${keys
      .filter(() => below(3) === 0)
      .map((key) => `${JSON.stringify(key)}:${JSON.stringify(randomValue(depth - 1))}`)
      .join()}}`,
  );
}

test('an object counts as pruned, and as having its defaults, when these change nothing', () => {
  const seen = { true: 0, false: 0 };
  for (let round = 0; round < 20_000; round++) {
    const schema = randomSchema(3);
    const object = randomValue(3) as JsonObject;
    if (typeof object !== 'object' || object === null || Array.isArray(object)) continue;
    const pruned = cloneJson(object);
    pruneResource(schema, pruned);
    assert.equal(isPruned(schema, object), equalJson(pruned, object), JSON.stringify({ schema, object }));
    const filled = cloneJson(pruned);
    applyStructuralDefaults(schema, filled);
    const has = hasDefaults(schema, pruned);
    // One that is null where its default is null, too, may be taken for one that lacks it.
    if (has || !JSON.stringify(schema).includes('"default":null'))
      assert.equal(has, equalJson(filled, pruned), JSON.stringify({ schema, pruned }));
    seen[`${has && isPruned(schema, object)}`]++;
  }
  assert.ok(seen.true > 1_000 && seen.false > 1_000, JSON.stringify(seen));
});
