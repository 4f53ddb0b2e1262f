import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyJsonPatch, JsonPatchError, type JsonPatchOperation } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { parsePatch } from './patch.ts';

const applied: [string, unknown, JsonPatchOperation[], unknown][] = [
  ['add to an object', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
  ['add replaces what is there', { a: 1 }, [{ op: 'add', path: '/a', value: [] }], { a: [] }],
  ['add into a list', [1, 3], [{ op: 'add', path: '/1', value: 2 }], [1, 2, 3]],
  ['add at the end', [1], [{ op: 'add', path: '/-', value: 2 }], [1, 2]],
  ['add null', {}, [{ op: 'add', path: '/a', value: null }], { a: null }],
  ['replace what is not there in an object', {}, [{ op: 'replace', path: '/a', value: 1 }], { a: 1 }],
  ['remove', { a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
  ['remove the last by a negative index', [1, 2, 3], [{ op: 'remove', path: '/-1' }], [1, 2]],
  ['replace', { a: { b: 1 } }, [{ op: 'replace', path: '/a/b', value: 2 }], { a: { b: 2 } }],
  ['replace all', { a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
  ['move', { a: 1 }, [{ op: 'move', from: '/a', path: '/b' }], { b: 1 }],
  [
    'copy is a copy',
    { a: [1] },
    [
      { op: 'copy', from: '/a', path: '/b' },
      { op: 'add', path: '/b/-', value: 2 },
    ],
    { a: [1], b: [1, 2] },
  ],
  [
    'escapes',
    { 'a/b': 1, 'm~n': 2 },
    [
      { op: 'remove', path: '/a~1b' },
      { op: 'remove', path: '/m~0n' },
    ],
    {},
  ],
  ['~01 is ~1', { '~1': 1 }, [{ op: 'remove', path: '/~01' }], {}],
  [
    'test of equal values',
    { a: { b: [1, 'x'] } },
    [{ op: 'test', path: '/a', value: { b: [1, 'x'] } }],
    { a: { b: [1, 'x'] } },
  ],
  ['test of an absent field for null', {}, [{ op: 'test', path: '/a', value: null }], {}],
  ['test of the whole document', { a: [1] }, [{ op: 'test', path: '', value: { a: [1] } }], { a: [1] }],
  ['copy of an absent field', {}, [{ op: 'copy', from: '/a', path: '/b' }], { b: null }],
  [
    'add at a negative index counts the place behind the last',
    [1, 3],
    [{ op: 'add', path: '/-2', value: 2 }],
    [1, 2, 3],
  ],
  ['add first by a negative index', [1], [{ op: 'add', path: '/-2', value: 0 }], [0, 1]],
  ['add at an index with a sign or zeros', [1, 2], [{ op: 'add', path: '/+01', value: 0 }], [1, 0, 2]],
  ['what stands before the first slash is of no account', { a: 1 }, [{ op: 'remove', path: 'x/a' }], {}],
  ['an empty key', { '': 1 }, [{ op: 'remove', path: '/' }], {}],
  [
    'a missing value is null',
    { b: 1 },
    [
      { op: 'add', path: '/a' },
      { op: 'replace', path: '/b' },
    ],
    { a: null, b: null },
  ],
  [
    'a key named __proto__',
    {},
    [{ op: 'add', path: '/__proto__', value: { x: 1 } }],
    JSON.parse('{"__proto__":{"x":1}}'),
  ],
];
for (const [what, document, operations, expected] of applied) {
  test(`JSON patch: ${what}`, () => {
    const before = structuredClone(document);
    assert.deepEqual(applyJsonPatch(document, operations), expected);
    assert.deepEqual(document, before);
  });
}

const refused: [string, unknown, JsonPatchOperation][] = [
  ['remove of what is not there', {}, { op: 'remove', path: '/a' }],
  ['replace beyond the end of a list', [1], { op: 'replace', path: '/1', value: 1 }],
  ['add below what is not there', {}, { op: 'add', path: '/a/b', value: 1 }],
  ['add below a string', { a: 'x' }, { op: 'add', path: '/a/b', value: 1 }],
  ['an index beyond the end', [1], { op: 'add', path: '/2', value: 1 }],
  ['an index in which there is more than a number', [1], { op: 'replace', path: '/0x0', value: 1 }],
  ['a key of a list', [1], { op: 'add', path: '/x', value: 1 }],
  ['a test that fails', { a: 1 }, { op: 'test', path: '/a', value: 2 }],
  ['a method of objects', {}, { op: 'test', path: '/toString/name', value: 'toString' }],
  ['an unknown operation', {}, { op: 'frob', path: '/a' }],
  ['a pointer without a slash', { a: 1 }, { op: 'remove', path: 'a' }],
  ['another document', { a: 1 }, { op: 'add', path: '', value: { b: 1 } }],
  ['no document', { a: 1 }, { op: 'remove', path: '' }],
  ['a document that is a string', { a: 1 }, { op: 'replace', path: '', value: 'x' }],
  ['a copy of the document', { a: 1 }, { op: 'copy', from: '', path: '/b' }],
  ['a copy of an absent item', { a: [] }, { op: 'copy', from: '/a/0', path: '/b' }],
  ['a copy of what is below an absent field', {}, { op: 'copy', from: '/a/b', path: '/b' }],
  ['a move of an absent field', {}, { op: 'move', from: '/a', path: '/b' }],
  ['a move below itself', { a: {} }, { op: 'move', from: '/a', path: '/a/b' }],
  ['an index before the first', [1], { op: 'add', path: '/-3', value: 1 }],
  ['an item behind the last', [1], { op: 'remove', path: '/-' }],
];
for (const [what, document, operation] of refused) {
  test(`JSON patch: ${what} is refused`, () => {
    assert.throws(() => applyJsonPatch(document, [operation]), JsonPatchError);
  });
}

const words: [operation: JsonPatchOperation, message: string][] = [
  [
    { op: 'remove', path: '/a/z' },
    "error in remove for path: '/a/z': Unable to remove nonexistent key: z: missing value",
  ],
  [
    { op: 'remove', path: '/z/a' },
    'remove operation does not apply: doc is missing path: "/z/a": missing value',
  ],
  [
    { op: 'remove', path: '/l/5' },
    "error in remove for path: '/l/5': Unable to access invalid index: 5: invalid index referenced",
  ],
  [
    { op: 'add', path: '/z/a', value: 1 },
    'add operation does not apply: doc is missing path: "/z/a": missing value',
  ],
  [
    { op: 'replace', path: '/l/7/a', value: 1 },
    'replace operation does not apply: doc is missing path: /l/7/a: missing value',
  ],
  [
    { op: 'test', path: '/z/a', value: 1 },
    'test operation does not apply: is missing path: /z/a: missing value',
  ],
  [{ op: 'test', path: '/l/0', value: 1 }, 'testing value /l/0 failed: test failed'],
  [
    { op: 'move', from: '/z/a', path: '/b' },
    'move operation does not apply: doc is missing from path: /z/a: missing value',
  ],
  [
    { op: 'move', from: '/z', path: '/b' },
    "error in move for path: 'z': Unable to remove nonexistent key: z: missing value",
  ],
  [
    { op: 'replace', path: '/l/7', value: 1 },
    'replace operation does not apply: doc is missing key: /l/7: missing value',
  ],
  [
    { op: 'test', path: '/l/7', value: 1 },
    "error in test for path: '/l/7': Unable to access invalid index: 7: invalid index referenced",
  ],
  [
    { op: 'add', path: '/l/x', value: 1 },
    "error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
  ],
  [
    { op: 'remove', path: '/l/99999999999999999999' },
    'error in remove for path: \'/l/99999999999999999999\': strconv.Atoi: parsing "99999999999999999999": value out of range',
  ],
  [
    { op: 'copy', from: '/l/1', path: '/b' },
    "error in copy for from: '/l/1': Unable to access invalid index: 1: invalid index referenced",
  ],
  [
    { op: 'copy', from: '/l/0', path: '/l/5' },
    'error while adding value during copy: Unable to access invalid index: 5: invalid index referenced',
  ],
  [{ op: 'replace', path: '', value: 1 }, 'replace operation value must be object or array: %!w(<nil>)'],
  [
    { op: 'copy', path: '/b' },
    'copy operation failed to decode from: operation, missing from field: missing value',
  ],
  [
    { op: 'copy', from: '/l/0', path: '/z/a' },
    'copy operation does not apply: doc is missing destination path: /z/a: missing value',
  ],
];
for (const [operation, message] of words)
  test(`${operation.op} of ${operation.from ?? operation.path} fails in upstream's words`, () => {
    assert.throws(() => applyJsonPatch({ a: { b: 1 }, l: [0] }, [operation]), { message });
  });

test('copies of copies do not grow without bound', () => {
  const operations: JsonPatchOperation[] = [
    { op: 'add', path: '/a', value: Array.from({ length: 1000 }, () => 1) },
  ];
  for (let round = 0; round < 40; round++) operations.push({ op: 'copy', from: '/a', path: '/a/-' });
  assert.throws(() => applyJsonPatch({}, operations), {
    message:
      'Unable to complete the copy, the accumulated size increase of copy is 4098083, exceeding the limit 3145728',
  });
});

test('values that are put below each other nest no deeper than those of a body', () => {
  const deep = JSON.parse(`${'{"a":'.repeat(400)}1${'}'.repeat(400)}`);
  const below = `/x${'/a'.repeat(399)}/x`;
  const refusal = (operations: JsonPatchOperation[]) =>
    assert.throws(() => applyJsonPatch({ x: deep }, operations), JsonPatchError);
  refusal([{ op: 'add', path: below, value: deep }]);
  refusal([{ op: 'copy', from: '/x', path: below }]);
  const nest: JsonPatchOperation[] = [
    { op: 'add', path: '/y', value: { x: deep } },
    { op: 'move', from: '/x', path: `/y${below}` },
    { op: 'move', from: '/y', path: '/x' },
  ];
  refusal(Array.from({ length: 300 }, () => nest).flat());
  assert.deepEqual(applyJsonPatch({ x: deep }, [{ op: 'remove', path: '/x' }]), {});
});

test('a patch of too many operations is refused as too large', () => {
  const operations = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: null }));
  assert.throws(() => parsePatch(Buffer.from(JSON.stringify(operations)), 'json'), {
    code: 413,
    message: 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
  });
});

const merged: [unknown, unknown, unknown][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{}, { a: [{ b: null, c: [[{ d: null }]] }, null] }, { a: [{ c: [[{}]] }, null] }],
  [{ a: [1] }, { a: [{ b: null, c: 1 }] }, { a: [{ c: 1 }] }],
  [{ a: { b: 1 } }, { a: [{ b: null }] }, { a: [{ b: null }] }],
];
for (const [document, patch, expected] of merged) {
  test(`merge patch: ${JSON.stringify(document)} with ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(applyMergePatch(document, patch), expected);
  });
}

test('fields that no operation names are shared with the document; it stays as it is', () => {
  const document = { kept: { a: [1] }, 'na/med': { b: [1] }, from: { c: [1] }, tested: [1] };
  const before = structuredClone(document);
  const patched = applyJsonPatch(document, [
    { op: 'add', path: '/na~1med/b/-', value: 2 },
    { op: 'move', from: '/from/c', path: '/tested/0' },
  ]) as typeof document;
  assert.equal(patched.kept, document.kept);
  assert.deepEqual(patched, { kept: { a: [1] }, 'na/med': { b: [1, 2] }, from: {}, tested: [[1], 1] });
  const nested = applyJsonPatch(document, [
    { op: 'copy', from: '/kept', path: '/all' },
    { op: 'add', path: '/all/a/-', value: 2 },
    { op: 'remove', path: '/kept/a/0' },
  ]) as typeof document & { all: { a: number[] } };
  assert.deepEqual([nested.kept, nested.all], [{ a: [] }, { a: [1, 2] }]);
  assert.deepEqual(document, before);
});
