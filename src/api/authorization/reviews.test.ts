import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KindDefinition } from '../kinds/kind.ts';
import {
  localSubjectAccessReviewKind,
  selfSubjectAccessReviewKind,
  subjectAccessReviewKind,
} from './reviews.ts';

function problemsOf(kind: KindDefinition, spec: object, metadata: object = {}): string[] {
  const review = { metadata, spec } as never;
  return [...kind.validate(review, { subresource: '' })].map(({ text }) => text);
}

const resourceAttributes = { verb: 'get', resource: 'pods', namespace: 'n' };
const nonResourceAttributes = { verb: 'get', path: '/x' };
const subject = subjectAccessReviewKind as KindDefinition;
const own = selfSubjectAccessReviewKind as KindDefinition;
const local = localSubjectAccessReviewKind as KindDefinition;

test("a review asks about either a resource or a path, for somebody, in upstream's words and order", () => {
  const both =
    /^spec\.nonResourceAttributes: Invalid value: .*: cannot be specified in combination with resourceAttributes$/;
  const none =
    'spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified';
  const nobody = 'spec.user: Invalid value: "": at least one of user or group must be specified';
  assert.deepEqual(problemsOf(subject, {}), [none, nobody]);
  assert.deepEqual(problemsOf(own, {}), [none]);
  assert.match(problemsOf(own, { resourceAttributes, nonResourceAttributes })[0]!, both);
  assert.deepEqual(problemsOf(subject, { resourceAttributes }), [nobody]);
  assert.deepEqual(problemsOf(subject, { resourceAttributes, groups: [''] }), []);
  assert.deepEqual(problemsOf(subject, { user: 'u', nonResourceAttributes }), []);
  const broken = { ...resourceAttributes, fieldSelector: {} };
  assert.deepEqual(problemsOf(subject, { resourceAttributes: broken }, { name: 'x' }), [
    nobody,
    'spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required',
    'metadata: Invalid value: {"name":"x"}: must be empty',
  ]);
});

test('a local review is about resources of its own namespace', () => {
  const user = 'u';
  const metadata = { namespace: 'n' };
  assert.deepEqual(problemsOf(local, { user, resourceAttributes }, metadata), []);
  const elsewhere = { ...resourceAttributes, namespace: 'other' };
  assert.deepEqual(problemsOf(local, { user, resourceAttributes: elsewhere }, metadata), [
    'spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace',
  ]);
  const [problem, ...more] = problemsOf(local, { user, nonResourceAttributes }, metadata);
  assert.match(
    problem!,
    /^spec\.nonResourceAttributes: Invalid value: .*: disallowed on this kind of request$/,
  );
  assert.deepEqual(more, []);
});

test('requirements are checked by their operators, and those of labels by what labels may be, too', () => {
  const rows: [string, object, readonly string[]][] = [
    ['fieldSelector', { key: 'a b', operator: 'In', values: ['c d'] }, []],
    ['fieldSelector', { operator: 'In' }, ['key: Required', 'values: Required']],
    ['fieldSelector', { key: 'a', operator: 'Exists', values: ['b'] }, ['values: Forbidden']],
    ['fieldSelector', { key: 'a', operator: 'Later' }, []],
    ['labelSelector', { key: 'a', operator: 'In', values: ['b'] }, []],
    ['labelSelector', { key: 'a b', operator: 'NotIn' }, ['values: Required', 'key: Invalid']],
    ['labelSelector', { operator: 'Exists' }, ['key: Invalid', 'key: Invalid']],
    ['labelSelector', { key: 'a', operator: 'In', values: ['b', 'c d'] }, ['values[1]: Invalid']],
    ['labelSelector', { key: 'a', operator: 'DoesNotExist', values: ['b'] }, ['values: Forbidden']],
    ['labelSelector', { key: 'a', operator: 'Later' }, []],
  ];
  for (const [name, requirement, expected] of rows) {
    const asked = { ...resourceAttributes, [name]: { requirements: [requirement] } };
    const prefix = `spec.resourceAttributes.${name}.requirements[0].`;
    const found = problemsOf(own, { resourceAttributes: asked }).map((text) =>
      text.replace(prefix, '').replace(/ value: .*$|: may not .*$/, ''),
    );
    assert.deepEqual(found, expected, JSON.stringify(asked));
  }
});
