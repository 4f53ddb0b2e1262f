import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cidr, nonSpecialAddress, parseAddress, parseRange, rangeContains } from './addresses.ts';
import { semanticEqual } from './equality.ts';
import { invalidValue, notSupported } from './field-error.ts';
import { atMost100Percent, nonNegativeIntOrPercent } from './fields.ts';
import { validateLabelSelector } from './label-selector.ts';
import {
  configKeyProblems,
  dns1035LabelProblems,
  dnsLabelProblems,
  environmentNameProblems,
  labelValueProblems,
  portNameProblems,
  qualifiedNameProblems,
  subdomainProblems,
  wildcardSubdomainProblems,
} from './names.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from './object-meta.ts';
import { isExtendedResource, validateResourceRequirements } from './resources.ts';

const long = (length: number) => 'a'.repeat(length);

test('names are valid or invalid by upstream’s rules', () => {
  const rules: [string, (value: string) => readonly string[], good: string[], bad: string[]][] = [
    [
      'subdomain',
      subdomainProblems,
      ['a', 'a.b', 'a-b.c1', long(253)],
      ['', 'A', '-a', 'a-', 'a..b', 'a_b', long(254)],
    ],
    ['label', dnsLabelProblems, ['a', '1a', 'a-b', long(63)], ['', 'a.b', 'A', long(64)]],
    ['1035 label', dns1035LabelProblems, ['a', 'a1'], ['1a', 'a-', 'a.b']],
    ['wildcard', wildcardSubdomainProblems, ['*.a.b'], ['*', 'a.*', '*.*.a']],
    ['label value', labelValueProblems, ['', 'a', 'A.b_c-1'], ['-a', 'a b', long(64)]],
    [
      'qualified name',
      qualifiedNameProblems,
      ['a', 'a.b/c', 'A_b'],
      ['', '/a', 'a/', 'a/b/c', 'a b', `a/${long(64)}`],
    ],
    ['environment name', environmentNameProblems, ['A', '1a', 'a-b.c'], ['', 'a=b', 'ä']],
    ['config key', configKeyProblems, ['a', '.a', 'A_b'], ['', '.', '..', '..a', 'a b']],
    ['port name', portNameProblems, ['http', 'a-1'], ['', '80', 'a--b', '-a', 'abcdefghijklmnop', 'A']],
  ];
  for (const [what, problemsOf, good, bad] of rules) {
    for (const value of good) assert.deepEqual(problemsOf(value), [], `${what} ${value}`);
    for (const value of bad) assert.notEqual(problemsOf(value).length, 0, `${what} ${value}`);
  }
});

test('addresses are parsed, and ranges know what is in them', () => {
  assert.deepEqual([...parseAddress('10.0.0.1')!], [10, 0, 0, 1]);
  assert.equal(parseAddress('2001:db8::1')!.length, 16);
  assert.deepEqual([...parseAddress('::ffff:1.2.3.4')!.slice(10)], [255, 255, 1, 2, 3, 4]);
  for (const bad of ['10.0.0', '10.0.0.256', 'x', '']) assert.equal(parseAddress(bad), undefined);
  const range = parseRange('10.96.0.0/12')!;
  assert.ok(rangeContains(range, parseAddress('10.111.255.255')!));
  assert.ok(!rangeContains(range, parseAddress('10.112.0.0')!));
  assert.equal(parseRange('10.0.0.0/33'), undefined);
  assert.equal(cidr('10.0.0.0', 'f').length, 1);
  for (const special of ['127.0.0.1', '::1', '169.254.0.1', '0.0.0.0', '224.0.0.1'])
    assert.equal(nonSpecialAddress(special, 'f').length, 1, special);
  assert.equal(nonSpecialAddress('10.0.0.1', 'f').length, 0);
});

test('an absent value equals an empty list, but not an empty object', () => {
  assert.ok(semanticEqual({ a: [] }, {}));
  assert.ok(semanticEqual({ a: null }, {}));
  assert.ok(!semanticEqual({ a: {} }, {}));
  assert.ok(!semanticEqual({ a: [1] }, { a: [2] }));
  assert.ok(!semanticEqual({}, { a: 0 }));
  assert.ok(!semanticEqual({}, { constructor: 'x' }));
  assert.ok(!semanticEqual({ toString: 'x' }, {}));
});

test('counts and percentages have their limits', () => {
  assert.equal(nonNegativeIntOrPercent(-1, 'f').length, 1);
  assert.equal(nonNegativeIntOrPercent('5', 'f').length, 1);
  assert.equal(nonNegativeIntOrPercent('5%', 'f').length, 0);
  assert.equal(atMost100Percent('101%', 'f').length, 1);
});

test('selectors are checked operator by operator', () => {
  const fields = (operator: string, values?: string[]) =>
    [
      ...validateLabelSelector(
        { matchExpressions: [{ key: 'k', operator, ...(values && { values }) }] },
        's',
      ),
    ].map(({ field }) => field);
  assert.deepEqual(fields('In', ['a']), []);
  assert.deepEqual(fields('In'), ['s.matchExpressions[0].values']);
  assert.deepEqual(fields('Exists', ['a']), ['s.matchExpressions[0].values']);
  assert.deepEqual(fields('Gt', ['1']), ['s.matchExpressions[0].operator']);
});

test('metadata is checked as a whole, and updates keep what is the server’s', () => {
  const meta = { name: 'Bad', namespace: 'n', labels: { 'a b': 'c d' }, finalizers: ['x'] };
  const errors = [...validateObjectMeta(meta, { namespaced: true })].map(({ field }) => field);
  assert.deepEqual(errors, ['metadata.name', 'metadata.labels', 'metadata.labels', 'metadata.finalizers[0]']);
  assert.deepEqual(
    [...validateObjectMeta({ name: 'a', finalizers: ['x'] }, { namespaced: false, anyFinalizers: true })],
    [],
  );
  const controllers = ['a', 'b'].map((name) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    name,
    uid: name,
    controller: true,
  }));
  assert.equal(
    [...validateObjectMeta({ name: 'a', ownerReferences: controllers }, { namespaced: false })].length,
    1,
  );
  const updated = [
    ...validateObjectMetaUpdate(
      { name: 'a', uid: '2', generation: 1 },
      { name: 'a', uid: '1', generation: 2 },
    ),
  ];
  assert.deepEqual(
    updated.map(({ field }) => field),
    ['metadata.generation', 'metadata.uid'],
  );
  const deleting = { name: 'a', deletionTimestamp: 't', finalizers: [] };
  assert.match(
    [...validateObjectMetaUpdate({ ...deleting, finalizers: ['x/y'] }, deleting)][0]!.text,
    /no new finalizers/,
  );
});

test('resources are named, counted and bounded', () => {
  const fields = (limits: Record<string, string>, requests: Record<string, string> = {}) =>
    [...validateResourceRequirements({ limits, requests }, 'r')].map(({ field }) => field);
  assert.deepEqual(fields({ cpu: '1', memory: '1Gi' }, { cpu: '500m' }), []);
  assert.deepEqual(fields({ cpu: '1' }, { cpu: '2' }), ['r.requests']);
  assert.deepEqual(fields({ cpu: '-1' }), ['r.limits[cpu]']);
  assert.deepEqual(fields({ pods: '1' }), ['r.limits[pods]']);
  assert.deepEqual(fields({ 'example.com/gpu': '1' }, { 'example.com/gpu': '2' }), ['r.requests']);
  assert.deepEqual(fields({}, { 'example.com/gpu': '2' }), ['r.limits']);
  assert.deepEqual(fields({ 'hugepages-2Mi': '2Mi' }), ['r']);
  assert.ok(isExtendedResource('example.com/gpu'));
  assert.ok(!isExtendedResource('kubernetes.io/x') && !isExtendedResource('cpu'));
});

test('values stand in errors as Go quotes them', () => {
  assert.equal(invalidValue('a', 'x\u0001"é\u200b', 'no').detail, 'Invalid value: "x\\x01\\"é\\u200b": no');
  assert.equal(invalidValue('a', 7, 'no').detail, 'Invalid value: 7: no');
  assert.equal(
    notSupported('a', 'z\u0007', ['B', 'A']).detail,
    'Unsupported value: "z\\a": supported values: "A", "B"',
  );
});
