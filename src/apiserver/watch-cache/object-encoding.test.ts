import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import { encodeObject, reencodeObject } from './object-encoding.ts';

const spec = { text: 'Grüße, 世界', count: 3 };
const status = { phase: 'Running' };
const pod = (parts: object): KubeObject =>
  ({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'ä', resourceVersion: '7' }, ...parts }) as never;

function reencoded(next: KubeObject, before: KubeObject) {
  return reencodeObject(next, { ...encodeObject(before), object: before });
}

test('kind, apiVersion and metadata stand first, and what the server adds is left out', () => {
  const value = encodeObject({
    spec,
    metadata: { name: 'a', resourceVersion: '7' },
    apiVersion: 'v1',
    kind: 'Pod',
  } as never);
  assert.equal(
    value.value.toString(),
    `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":${JSON.stringify(spec)}}`,
  );
});

const followers: [what: string, before: KubeObject, next: KubeObject][] = [
  ['another status', pod({ spec, status }), pod({ spec, status: { phase: 'Failed', message: 'zu groß' } })],
  [
    'other metadata',
    pod({ spec, status }),
    pod({ spec, status, metadata: { name: 'ö', labels: { a: '世' } } }),
  ],
  ['both', pod({ spec, status }), pod({ spec, status: {}, metadata: { name: 'b' } })],
  ['a status that is gone', pod({ spec, status }), pod({ spec, status: undefined })],
  ['a status that comes', pod({ spec, status: undefined }), pod({ spec, status })],
  ['one field alone', pod({ data: { a: '1' } }), pod({ data: { a: '2' } })],
  ['no field at all', pod({}), pod({ metadata: { name: 'b' } })],
  [
    'a number beyond 53 bits',
    pod({ spec, status }),
    pod({ spec, status: { bytes: 9_007_199_254_740_993n } }),
  ],
];

for (const [what, before, next] of followers)
  test(`${what}: the bytes are those of the object written out, and go on being taken over`, () => {
    const encoded = reencoded(next, before);
    assert.ok(encoded);
    assert.deepEqual(encoded, encodeObject(next));
    const third = { ...next, metadata: { name: 'third' } } as KubeObject;
    assert.deepEqual(reencodeObject(third, { ...encoded, object: next }), encodeObject(third));
  });

test('an object that shares no more than its status, or has other fields, is not made of the bytes before', () => {
  for (const next of [
    pod({ spec: { ...spec }, status }),
    pod({ status, spec }),
    pod({ spec }),
    pod({}),
    pod({ spec, extra: 1, status }),
  ])
    assert.equal(reencoded(next, pod({ spec, status })), undefined);
});
