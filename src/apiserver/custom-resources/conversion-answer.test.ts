import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import { type Conversion, type ConversionAnswer, convertedObjects } from './conversion-answer.ts';

const one = { apiVersion: 'a.io/v1', kind: 'Foo', metadata: { name: 'one', namespace: 'n', uid: 'u' } };
const two = { ...one, metadata: { ...one.metadata, name: 'two' } };
const good = { ...one, apiVersion: 'a.io/v2' };

function outcome(response: ConversionAnswer['response'], more: Partial<Conversion & ConversionAnswer> = {}) {
  const { apiVersion = 'apiextensions.k8s.io/v1', kind = 'ConversionReview', objects = [one] } = more;
  const conversion = { uid: 'x', reviewVersion: 'v1', objects, apiVersion: 'a.io/v2' };
  const result = convertedObjects({ apiVersion, kind, response }, conversion as unknown as Conversion);
  return 'error' in result ? result.error : result.objects;
}

function answer(convertedObjects: unknown[]): NonNullable<ConversionAnswer['response']> {
  return { uid: 'x', result: { status: 'Success' }, convertedObjects };
}

test('an answer that is no answer is refused', () => {
  assert.deepEqual(outcome(answer([good])), [good]);
  const { uid: _uid, ...withoutUid } = answer([good]);
  assert.equal(outcome(withoutUid), 'failed: expected response.uid="x", got ""');
  assert.equal(outcome(undefined), 'failed: no response provided');
  assert.equal(
    outcome({ ...answer([good]), result: { status: 'Failed' } }),
    "failed: response.result.status was 'Failed', not 'Success'",
  );
  assert.equal(
    outcome(answer([good]), { kind: '', apiVersion: '' }),
    'failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=',
  );
});

test('every object comes back as the one that it was', () => {
  const meta = one.metadata;
  const cases: [unknown, string][] = [
    [one, 'object at index 0: invalid groupVersion (expected a.io/v2, received a.io/v1)'],
    [{ ...good, kind: 'Bar' }, 'object at index 0: invalid kind (expected Foo, received Bar)'],
    [{ ...good, metadata: { ...meta, name: 'other' } }, 'object: must have the same name: one != other'],
    [{ ...good, metadata: { ...meta, uid: 'zz' } }, 'object: must have the same UID: u != zz'],
    [{ ...good, metadata: undefined }, 'object: must have the same name: one != '],
    [
      { ...good, metadata: { ...meta, labels: { a: 1 } } },
      'metadata: metadata.labels[a] must be a string, but is int64 in converted object',
    ],
    [
      { ...good, metadata: { ...meta, labels: ['a'] } },
      'metadata: invalid metadata.labels of type []interface {} in converted object',
    ],
  ];
  for (const [object, message] of cases)
    assert.equal(outcome(answer([object])), `returned invalid ${message}`);
  assert.match(
    String(outcome(answer([{ ...good, metadata: { ...meta, labels: { 'a b': 'c' } } }]))),
    /^returned invalid metadata: metadata\.labels: Invalid value: "a b": name part must consist/,
  );
});

test('in a list the place of the wrong object is named', () => {
  const objects = [one, two] as unknown as KubeObject[];
  assert.equal(outcome(answer([good]), { objects }), 'returned 1 objects, expected 2');
  assert.equal(
    outcome(answer([good, two]), { objects }),
    'returned invalid converted object at index 1: invalid groupVersion (expected a.io/v2, received a.io/v1)',
  );
});
