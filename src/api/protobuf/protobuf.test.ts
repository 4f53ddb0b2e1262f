import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../base/json-object.ts';
import { seededRandom } from '../../base/random.ts';
import { decode } from '../schema/decode.ts';
import { randomObject } from '../schema/random-object.fake.ts';
import { rawSchema, schemaNames, schemaNode } from '../schema/schemas.ts';
import {
  canEncode,
  decodeMessage,
  encodeList,
  encodeMessage,
  encodeObject,
  encodeWatchFrame,
  ProtobufError,
  readEnvelope,
} from './envelope.ts';

const kinds = [...schemaNames()].filter(
  (name) =>
    rawSchema(name)?.['x-kubernetes-group-version-kind'] &&
    !/List$|\.WatchEvent$/.test(name) &&
    canEncode(name),
);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const without = ({ apiVersion: _, kind: __, ...rest }: JsonObject) => rest;

test('every built-in kind survives the way to protobuf and back', () => {
  const random = seededRandom(7);
  assert.ok(kinds.length > 120);
  for (const schema of kinds) {
    for (let round = 0; round < 6; round++) {
      const object = without(decode<JsonObject>(schema, randomObject(schemaNode(schema), random)).object);
      const message = encodeMessage(schema, object);
      assert.deepEqual(decodeMessage(schema, message), object, schema);
      assert.equal(hex(encodeMessage(schema, decodeMessage(schema, message))), hex(message), schema);
    }
  }
});

test('decoding is idempotent for every kind', () => {
  const random = seededRandom(11);
  for (const schema of kinds) {
    const once = decode<JsonObject>(schema, randomObject(schemaNode(schema), random));
    const twice = decode<JsonObject>(schema, once.object);
    assert.deepEqual(twice, { object: once.object, problems: [] });
  }
});

test('a config map is written as upstream writes it', () => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { b: 'c' } };
  assert.equal(
    hex(encodeObject('io.k8s.api.core.v1.ConfigMap', object)),
    [
      '6b387300',
      '0a0f0a0276311209436f6e6669674d6170', // type meta: v1, ConfigMap
      '121b',
      '0a11', // metadata
      '0a0161', // name
      '1200', // generateName
      '1a00', // namespace
      '2200', // selfLink
      '2a00', // uid
      '3200', // resourceVersion
      '3800', // generation
      '4200', // creationTimestamp: none
      '1206', // data
      '0a0162120163',
      '1a002200', // contentEncoding, contentType
    ].join(''),
  );
});

test('a list is put together from the messages of its items', () => {
  const schema = 'io.k8s.api.core.v1.ConfigMap';
  const items = ['a', 'b'].map((name) => ({ metadata: { name }, data: { k: 'v' } }));
  const messages = items.map((item) => encodeMessage(schema, item));
  const list = readEnvelope(encodeList('v1', 'ConfigMapList', { resourceVersion: '5' }, messages));
  assert.equal(list.kind, 'ConfigMapList');
  assert.deepEqual(decodeMessage('io.k8s.api.core.v1.ConfigMapList', list.message), {
    metadata: { resourceVersion: '5' },
    items,
  });
});

test('a frame of a watch is its length and an event that holds a whole object', () => {
  const object = encodeObject('io.k8s.api.core.v1.Pod', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
  });
  const frame = encodeWatchFrame('ADDED', object);
  assert.equal(Buffer.from(frame).readUInt32BE(), frame.length - 4);
  assert.equal(hex(frame.subarray(4, 11)), `0a05${Buffer.from('ADDED').toString('hex')}`);
  assert.ok(hex(frame).endsWith(hex(object)));
});

test('an absent value is distinguished from a zero value', () => {
  const schema = 'io.k8s.api.apps.v1.Deployment';
  const spec = {
    replicas: 0,
    selector: {},
    template: { metadata: {}, spec: { containers: null } },
    strategy: {},
  };
  const object = { metadata: {}, spec, status: {} };
  assert.deepEqual(decodeMessage(schema, encodeMessage(schema, object)), object);
  const { replicas: _, ...unset } = spec;
  assert.deepEqual(decodeMessage(schema, encodeMessage(schema, { ...object, spec: unset })), {
    ...object,
    spec: unset,
  });
});

test('bytes that are no message are refused, whatever they are', () => {
  const random = seededRandom(3);
  const pod = encodeObject('io.k8s.api.core.v1.Pod', {
    apiVersion: 'v1',
    kind: 'Pod',
    ...randomObject(schemaNode('io.k8s.api.core.v1.Pod'), random),
  });
  for (let round = 0; round < 3000; round++) {
    const bytes = pod.slice(0, Math.floor(random.next() * pod.length));
    for (let flip = 0; flip < 4 && bytes.length > 4; flip++) {
      bytes[4 + Math.floor(random.next() * (bytes.length - 4))] = Math.floor(random.next() * 256);
    }
    try {
      decodeMessage('io.k8s.api.core.v1.Pod', readEnvelope(bytes).message);
    } catch (error) {
      assert.ok(error instanceof ProtobufError, String((error as Error).stack));
    }
  }
});

test('messages that nest without end are refused', () => {
  const schema = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
  let nested: JsonObject = {};
  for (let depth = 0; depth < 400; depth++) nested = { not: nested };
  const message = encodeMessage(schema, nested);
  assert.throws(() => decodeMessage(schema, message), ProtobufError);
});

test('a body without the protobuf prefix is refused in upstream words', () => {
  assert.throws(() => readEnvelope(new Uint8Array([1, 2, 3])), {
    message: 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
  });
});

test('schemas of custom resources nest in items, in additional properties and in dependencies', () => {
  const schema = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
  const text = { type: 'string', maxLength: 3 };
  for (const props of [
    { type: 'array', items: { type: 'object', properties: { list: { type: 'array', items: text } } } },
    { items: [text, { type: 'integer' }] },
    { additionalProperties: { type: 'object', additionalProperties: text } },
    { additionalProperties: false, additionalItems: true },
    { dependencies: { a: ['b'], c: text } },
  ])
    assert.deepEqual(decodeMessage(schema, encodeMessage(schema, props)), props);
});
