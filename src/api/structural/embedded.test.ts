import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { DecodeError } from '../schema/decode.ts';
import { decodeEmbedded, validateEmbedded } from './embedded.ts';
import type { StructuralSchema } from './schema.ts';

const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true };
const schema = sparse<StructuralSchema>({
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        template: embedded,
        list: { type: 'array', items: embedded },
        byName: { type: 'object', additionalProperties: embedded },
      },
    },
  },
});

const pod = { apiVersion: 'v1', kind: 'Pod' };

test('metadata of embedded resources loses what metadata does not know, wherever they stand, and says so in order', () => {
  const object = {
    spec: {
      template: { ...pod, metadata: { name: 'a', zz: 1, ownerReferences: [{ foo: 1, uid: 'x' }] } },
      list: [{ ...pod, metadata: { name: 'b', creationTimestamp: null, other: {} } }],
      byName: { 'a.b': { ...pod, metadata: { extra: 1 } } },
    },
  };
  assert.deepEqual(decodeEmbedded(schema, object), [
    'spec.byName.a.b.metadata.extra',
    'spec.list[0].metadata.other',
    'spec.template.metadata.ownerReferences[0].foo',
    'spec.template.metadata.zz',
  ]);
  assert.deepEqual(object.spec.list[0]!.metadata, { name: 'b' });
  assert.deepEqual(object.spec.byName['a.b'].metadata, {});
});

test('an embedded resource that cannot be one is refused, in upstream’s words', () => {
  const cases: [object, string][] = [
    [{ ...pod, kind: null }, 'spec.template.kind: Invalid value: null: must be a string'],
    [{ ...pod, apiVersion: 5 }, 'spec.template.apiVersion: Invalid value: 5: must be a string'],
    [
      { ...pod, metadata: { name: 'x', labels: { a: 1 } } },
      'spec.template.metadata: Invalid value: {"labels":{"a":1},"name":"x"}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string',
    ],
    [
      { ...pod, metadata: [] },
      'spec.template.metadata: Invalid value: []: json: cannot unmarshal array into Go value of type v1.ObjectMeta',
    ],
  ];
  for (const [template, message] of cases)
    assert.throws(
      () => decodeEmbedded(schema, { spec: { template } }),
      (error) => error instanceof DecodeError && error.message === message,
      message,
    );
});

test('each rule of an embedded resource has upstream’s words', () => {
  const qualified =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
  const cases: [object, string[]][] = [
    [pod, []],
    [{ ...pod, metadata: {} }, []],
    [{ ...pod, metadata: { name: 'Any_Name', generateName: 'A-', finalizers: ['x'] } }, []],
    [{}, ['spec.template.apiVersion: Required value', 'spec.template.kind: Required value']],
    [
      { apiVersion: '', kind: '' },
      [
        'spec.template.apiVersion: Invalid value: "": must not be empty',
        'spec.template.kind: Invalid value: "": must not be empty',
      ],
    ],
    [
      { apiVersion: 'a/b/c', kind: 'Bad Kind' },
      [
        'spec.template.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        `spec.template.kind: Invalid value: "Bad Kind": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
      ],
    ],
    [
      { ...pod, metadata: { name: 'a/b' } },
      [`spec.template.metadata.name: Invalid value: "a/b": may not contain '/'`],
    ],
    [
      { ...pod, metadata: { annotations: { 'b b': 'c' }, namespace: 'N_' } },
      [
        "spec.template.metadata.namespace: Invalid value: \"N_\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        `spec.template.metadata.annotations: Invalid value: "b b": ${qualified}`,
      ],
    ],
  ];
  for (const [template, expected] of cases) {
    const errors = [...validateEmbedded(schema, { spec: { template } })];
    assert.deepEqual(
      errors.map(({ text }) => text),
      expected,
    );
  }
});

test('errors name a map’s key in brackets', () => {
  const [error] = validateEmbedded(schema, { spec: { byName: { 'a.b': { kind: 'Pod' } } } });
  assert.equal(error?.field, 'spec.byName[a.b].apiVersion');
});
