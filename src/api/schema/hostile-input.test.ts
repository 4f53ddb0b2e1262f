import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../base/json-object.ts';
import { seededRandom } from '../../base/random.ts';
import { parseFieldSelector, parseLabelSelector } from '../selectors/selectors.ts';
import { StatusError } from '../status.ts';
import {
  type BodyFormat,
  decodeParsed,
  type FieldValidation,
  parseApplyBody,
  parseBody,
} from './body/body.ts';
import { JsonError, parseJson } from './body/json.ts';
import { DecodeError, decode } from './decode.ts';
import { FieldSetError, readFieldSet } from './fields/field-set.ts';
import { trackUpdate } from './fields/managed-fields.ts';
import { equalJson } from './json-value.ts';
import { applyConfig } from './patch/apply.ts';
import { applyPatch, parsePatch } from './patch/patch.ts';
import { randomObject } from './random-object.fake.ts';
import { rawSchema, schemaNames, schemaNode } from './schemas.ts';

const random = seededRandom(20_261_121);
const podSchema = 'io.k8s.api.core.v1.Pod';
const pod = { group: '', version: 'v1', kind: 'Pod' };
const rounds = 3000;

const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)]!;
const fragments = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  '\\',
  'null',
  'true',
  '-',
  '1e999',
  '"spec"',
  '"$patch"',
  '"\\u',
  '\0',
  'é',
  '\n',
  '&a',
  '*a',
  '<<',
  '- ',
  '? ',
  '|',
  '---',
];

function mutate(text: string): string {
  let out = text;
  for (let edit = 1 + Math.floor(random.next() * 4); edit > 0; edit--) {
    const at = Math.floor(random.next() * (out.length + 1));
    const end = at + Math.floor(random.next() * 6);
    out = out.slice(0, at) + (random.next() < 0.7 ? pick(fragments) : '') + out.slice(end);
  }
  return out;
}

/** A random JSON value with the names that have a meaning in patches and field sets. */
function randomValue(depth: number): unknown {
  const kind = random.next();
  if (depth <= 0 || kind < 0.4) {
    return pick<unknown>([
      null,
      0,
      -1,
      1.5,
      1e300,
      '',
      'a',
      true,
      false,
      'delete',
      'replace',
      'merge',
      'x'.repeat(300),
    ]);
  }
  if (kind < 0.6) return Array.from({ length: Math.floor(random.next() * 4) }, () => randomValue(depth - 1));
  const keys = [
    'metadata',
    'spec',
    'containers',
    'name',
    'labels',
    'finalizers',
    'env',
    'data',
    '$patch',
    '$retainKeys',
    '$setElementOrder/containers',
    '$deleteFromPrimitiveList/finalizers',
    'managedFields',
    'f:spec',
    'k:{"name":"a"}',
    'v:1',
    'i:0',
    '.',
    '__proto__',
    'fieldsV1',
    'apiVersion',
    'kind',
  ];
  const object: JsonObject = {};
  for (let count = Math.floor(random.next() * 5); count > 0; count--) {
    Object.defineProperty(object, pick(keys), {
      value: randomValue(depth - 1),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return object;
}

/** Runs `act`, which may throw only the given kinds of errors. */
function refusesOnlyWith(
  errors: readonly (new (...args: never[]) => Error)[],
  act: () => unknown,
  input: unknown,
): void {
  try {
    act();
  } catch (error) {
    if (errors.some((kind) => error instanceof kind)) return;
    throw new Error(`not refused but broken by ${JSON.stringify(input)?.slice(0, 500)}`, { cause: error });
  }
}

test('the JSON parser accepts exactly what JSON.parse accepts', () => {
  const text = JSON.stringify(randomObject(schemaNode(podSchema), random));
  for (let round = 0; round < rounds; round++) {
    const input = mutate(text.slice(0, 2000));
    let expected: unknown;
    try {
      expected = JSON.parse(input);
    } catch {
      assert.throws(
        () => parseJson(input),
        (error) => error instanceof JsonError && error.message !== 'invalid JSON',
      );
      continue;
    }
    assert.ok(equalJson(parseJson(input).value, expected));
  }
});

const readPod = (body: Buffer, format: BodyFormat, validation: FieldValidation) =>
  decodeParsed(parseBody(body, format, pod.kind), podSchema, pod, validation);

test('bodies in JSON and YAML are read or refused', () => {
  const text = JSON.stringify(
    { apiVersion: 'v1', kind: 'Pod', ...randomObject(schemaNode(podSchema), random) },
    null,
    1,
  );
  const yaml =
    'apiVersion: v1\nkind: Pod\nmetadata: &m\n  name: a\n  labels: {a: b}\nspec:\n  containers:\n  - name: c\n    args: ["x", \'y\', z]\n    env:\n    - *m\n';
  for (let round = 0; round < rounds; round++) {
    const json = Buffer.from(mutate(text.slice(0, 3000)));
    refusesOnlyWith([StatusError], () => readPod(json, 'json', 'Strict'), json.toString());
    const document = Buffer.from(mutate(yaml));
    refusesOnlyWith([StatusError], () => parseApplyBody(document, 'Strict'), document.toString());
    refusesOnlyWith([StatusError], () => readPod(document, 'yaml', 'Warn'), document.toString());
  }
});

test('random values are decoded as any kind or refused', () => {
  const kinds = [...schemaNames()].filter((name) => rawSchema(name)?.['x-kubernetes-group-version-kind']);
  for (let round = 0; round < rounds; round++) {
    const value = randomValue(5);
    refusesOnlyWith([DecodeError], () => decode(pick(kinds), value), value);
  }
});

test('random patches are applied or refused, and leave the object alone', () => {
  const current = decode<JsonObject>(podSchema, randomObject(schemaNode(podSchema), random)).object;
  Object.assign(current, { apiVersion: 'v1', kind: 'Pod' });
  const before = structuredClone(current);
  for (let round = 0; round < rounds; round++) {
    const format = pick(['json', 'merge', 'strategic'] as const);
    const operation = () => ({
      op: pick(['add', 'remove', 'replace', 'move', 'copy', 'test', 'x']),
      path: pick([
        '',
        '/',
        '/spec',
        '/spec/containers/-',
        '/spec/containers/-1',
        '/metadata/labels/a~1b',
        'x',
        '/spec/containers/99999999999',
      ]),
      from: pick(['/spec', '', '/x']),
      value: randomValue(2),
    });
    const patch = format === 'json' ? Array.from({ length: 3 }, operation) : randomValue(6);
    const input = Buffer.from(JSON.stringify(patch));
    const target = { schema: podSchema, expected: pod, validation: 'Strict' } as const;
    refusesOnlyWith([StatusError], () => applyPatch(current, parsePatch(input, format), target), patch);
  }
  assert.deepEqual(current, before);
});

test('random configs and managed fields are applied or refused', () => {
  for (let round = 0; round < rounds; round++) {
    const value = randomValue(6);
    refusesOnlyWith([FieldSetError], () => readFieldSet(value), value);
    const spec = { containers: [randomValue(3), randomValue(2)], tolerations: randomValue(2) };
    const config = { ...(randomValue(5) as object), spec, apiVersion: 'v1', kind: 'Pod' };
    const time = '2026-01-01T00:00:00Z';
    const ownership = { schema: podSchema, apiVersion: 'v1', subresource: '', manager: 'm', time };
    refusesOnlyWith(
      [StatusError],
      () => applyConfig(undefined, config, { ...ownership, kind: 'Pod', force: true }),
      config,
    );
    const next = { metadata: { managedFields: randomValue(5) }, spec } as JsonObject;
    const live = { metadata: { managedFields: randomValue(5) }, spec: randomValue(3) } as JsonObject;
    refusesOnlyWith([], () => trackUpdate(live, next, ownership), [live, next]);
  }
});

test('random selectors are read or refused', () => {
  const pieces = [
    'a',
    'b.c/d',
    '=',
    '==',
    '!=',
    '!',
    ' in ',
    ' notin ',
    '(',
    ')',
    ',',
    '>',
    '<',
    '\\',
    '1',
    ' ',
    'é',
    '',
  ];
  for (let round = 0; round < rounds; round++) {
    const selector = Array.from({ length: Math.floor(random.next() * 8) }, () => pick(pieces)).join('');
    refusesOnlyWith([StatusError], () => parseLabelSelector(selector).matches({ a: '1' }), selector);
    refusesOnlyWith([StatusError], () => parseFieldSelector(selector).matches({ a: '1' }), selector);
  }
});

test('large hostile input takes a moment of the processor, not more', () => {
  const inputs: [string, () => unknown][] = [
    [
      'many keys',
      () => parseJson(`{${Array.from({ length: 100_000 }, (_, index) => `"k${index}":1`).join()}}`),
    ],
    ['many duplicates', () => parseJson(`{${'"a":1,'.repeat(100_000)}"a":1}`)],
    [
      'fields below a long key',
      () => {
        const fields = Array.from({ length: 5000 }, (_, index) => `"k${index}":1`).join();
        const { problems } = parseJson(`{"${'x'.repeat(1_000_000)}":{${fields},"k1":1},"a":1,"a":2}`);
        assert.equal(problems.length, 2);
      },
    ],
    ['brackets', () => parseJson('['.repeat(1_000_000))],
    ['escapes', () => parseJson(`"${'\\u0000'.repeat(200_000)}"`)],
    ['flow', () => parseApplyBody(Buffer.from(`a: [${'x,'.repeat(200_000)}]`), 'Warn')],
    ['selector', () => parseLabelSelector(`a in (${'x,'.repeat(100_000)}y)`)],
    ['operators', () => parseLabelSelector('!'.repeat(200_000))],
    [
      'deep keys',
      () => readFieldSet({ [`v:${'['.repeat(20_000)}1234567890123456${']'.repeat(20_000)}`]: {} }),
    ],
    ['deep managed fields', () => readFieldSet(JSON.parse(`${'{"f:a":'.repeat(3000)}{}${'}'.repeat(3000)}`))],
  ];
  for (const [name, act] of inputs) {
    const before = process.cpuUsage();
    refusesOnlyWith([StatusError, JsonError, FieldSetError], act, name);
    assert.ok(process.cpuUsage(before).user / 1000 < 2000, name);
  }
});
