import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterRole } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planAggregation } from './clusterrole-aggregation.ts';

const may = (verb: string) => ({ apiGroups: [''], resources: ['pods'], verbs: [verb] });
const part = (name: string, labels: Record<string, string>, ...verbs: string[]) =>
  sparse<ClusterRole>({ metadata: { name, uid: `uid-${name}`, labels }, rules: verbs.map(may) });
const whole = (rules: object[], ...labels: string[]) =>
  sparse<ClusterRole>({
    metadata: { name: 'all', uid: 'uid-all', labels: { a: '' } },
    aggregationRule: { clusterRoleSelectors: labels.map((label) => ({ matchLabels: { [label]: '' } })) },
    rules,
  });

const parts = [
  part('z', { a: '' }, 'get'),
  part('b', { a: '' }, 'list', 'get'),
  part('c', { other: '' }, 'watch'),
];

for (const [what, role, expected] of [
  [
    'rules are ordered by selector, then by role, each once',
    whole([], 'a', 'other'),
    ['list', 'get', 'watch'],
  ],
  ['a role does not hold its own rules', whole([may('delete')], 'a'), ['list', 'get']],
  ['what nothing holds any longer goes', whole([may('list')], 'none'), []],
  ['a role that is as it should be is left alone', whole([may('list'), may('get')], 'a'), undefined],
  ['a role without selection is left alone', part('own', {}, 'get'), undefined],
] as const)
  test(`aggregation: ${what}`, () => {
    const rules = planAggregation(role, [...parts, role]);
    assert.deepEqual(
      rules?.map(({ verbs }) => verbs[0]),
      expected,
    );
  });
