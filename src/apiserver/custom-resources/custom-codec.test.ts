import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asKubeObject } from '../../api/schema/decode.ts';
import type { ParsedPatch } from '../../api/schema/patch/patch.ts';
import type { StructuralSchema } from '../../api/structural/schema.ts';
import { deepFreeze } from '../../base/collections/deep-freeze.ts';
import { customCodec } from './custom-codec.ts';

const item = { type: 'object', properties: { size: { type: 'string', default: 's' } } };
const schema = {
  type: 'object',
  properties: { spec: item, more: { type: 'object', additionalProperties: item } },
} as StructuralSchema;
const codecOf = (of: StructuralSchema) =>
  customCodec({ group: 'example.com', version: 'v1', kind: 'Shop' }, of, []);

const shop = (spec: object) =>
  asKubeObject({
    apiVersion: 'example.com/v1',
    kind: 'Shop',
    metadata: { name: 'a' },
    spec,
    more: { one: { size: 'm' }, two: { size: 'l' } },
  });
const merge = (patch: object): ParsedPatch => ({ format: 'merge', patch: { ...patch }, problems: [] });

test('a patched custom resource shares with the stored one what the patch leaves alone, and nothing that it changes', () => {
  const codec = codecOf(schema);
  const stored = deepFreeze(shop({ size: 's' }));
  const patch = merge({ metadata: { labels: { a: 'b' } }, more: { one: { size: null } } });
  const { object } = codec.patch(stored, patch, 'Strict');
  codec.setDefaults(object);
  const { spec, more, metadata } = object as unknown as Record<string, unknown>;
  assert.equal(spec, (stored as unknown as { spec: object }).spec);
  assert.deepEqual(more, { one: { size: 's' }, two: { size: 'l' } });
  assert.deepEqual(metadata, { name: 'a', labels: { a: 'b' } });
  assert.deepEqual(Object.keys(object), ['apiVersion', 'kind', 'metadata', 'spec', 'more']);
  assert.ok(!Object.isFrozen(more));
});

test('what may not be as its schema wants it is read anew with every patch', () => {
  const { object } = codecOf(schema).patch(shop({ size: 's', odd: 1 }), merge({}), 'Ignore');
  assert.deepEqual((object as unknown as { spec: object }).spec, { size: 's' });
  const embedding = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        'x-kubernetes-embedded-resource': true,
        'x-kubernetes-preserve-unknown-fields': true,
      },
    },
  } as StructuralSchema;
  const stored = deepFreeze(shop({ metadata: { name: 'b', odd: 1 } }));
  const patched = codecOf(embedding).patch(stored, merge({}), 'Ignore').object;
  assert.deepEqual((patched as unknown as { spec: object }).spec, { metadata: { name: 'b' } });
});
