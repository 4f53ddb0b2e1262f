import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowSchemaKind } from './flow-schema.ts';
import { everything, mandatoryLevels, mandatorySchemas } from './mandatory.ts';
import { priorityLevelConfigurationKind } from './priority-level.ts';

type Validated = Pick<typeof flowSchemaKind, 'validate'>;

function problemsOf(kind: unknown, name: string, spec: unknown, more: object = {}): string[] {
  const object = { metadata: { name, ...more }, spec } as never;
  const context = { subresource: '', apiVersion: 'flowcontrol.apiserver.k8s.io/v1' };
  return [...(kind as Validated).validate(object, context)].map(({ text }) => text);
}

const ofLevel = (name: string, spec: object, more?: object) =>
  problemsOf(priorityLevelConfigurationKind, name, spec, more);

const limited = (more: object = {}) => ({
  type: 'Limited',
  limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' }, ...more },
});
const queued = (queues: number, handSize: number) =>
  limited({ limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 1 } } });

test('priority levels are judged as upstream judges them', () => {
  const rows: [spec: object, ...problems: string[]][] = [
    [limited()],
    [
      { type: 'Exempt' },
      "spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'",
    ],
    [
      limited({ nominalConcurrencyShares: -1, lendablePercent: 101, borrowingLimitPercent: -2 }),
      'spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer',
      'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
      'spec.limited.borrowingLimitPercent: Invalid value: -2: if specified, must be a non-negative integer',
    ],
    [queued(64, 10)],
    [
      queued(64, 11),
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 11: required entropy bits of deckSize 64 and handSize 11 should not be greater than 60',
    ],
    [
      queued(2, 3),
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 3: should not be greater than queues (2)',
    ],
  ];
  for (const [spec, ...problems] of rows) assert.deepEqual(ofLevel('l', spec), problems);
  const annotation = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';
  assert.deepEqual(ofLevel('l', limited(), { annotations: { [annotation]: '' } }), [
    `metadata.annotations: Forbidden: annotation '${annotation}' is forbidden`,
  ]);
});

test('the levels and schemas that every cluster has keep their specs, but for what the exempt level lends', () => {
  for (const [name, spec] of mandatoryLevels) assert.deepEqual(ofLevel(name, spec), []);
  for (const [name, spec] of mandatorySchemas) assert.deepEqual(problemsOf(flowSchemaKind, name, spec), []);
  assert.deepEqual(ofLevel('exempt', { type: 'Exempt', exempt: { lendablePercent: 50 } }), []);
  assert.deepEqual(ofLevel('exempt', { type: 'Exempt', exempt: { lendablePercent: -1 } }), [
    'spec.exempt.lendablePercent: Invalid value: -1: must be between 0 and 100, inclusive',
  ]);
  assert.deepEqual(ofLevel('catch-all', limited()), [
    `spec: Invalid value: {"Type":"Limited","Limited":{"NominalConcurrencyShares":1,"LimitResponse":{"Type":"Reject","Queuing":null},"LendablePercent":null,"BorrowingLimitPercent":null},"Exempt":null}: spec of 'catch-all' must equal the fixed value`,
  ]);
  const [problem] = problemsOf(flowSchemaKind, 'catch-all', {
    ...mandatorySchemas.get('catch-all'),
    matchingPrecedence: 9_999,
  });
  assert.match(problem!, /^spec: Invalid value: \{"PriorityLevelConfiguration":\{"Name":"catch-all"\},/);
  assert.match(problem!, /: spec of 'catch-all' must equal the fixed value$/);
});

test('rules of flow schemas are judged as upstream judges them', () => {
  const user = { kind: 'User', user: { name: 'u' } };
  const account = { namespace: 'n', name: 'a' };
  const [all] = everything.resourceRules!;
  const rows: [rule: object, ...problems: string[]][] = [
    [{ subjects: [user], ...everything }],
    [
      {
        subjects: [user],
        resourceRules: [{ ...all, apiGroups: ['*', 'a'], resources: ['b', '*'], verbs: [] }],
      },
      'resourceRules[0].verbs: Required value: verbs must contain at least one value',
      `resourceRules[0].apiGroups: Invalid value: ["*","a"]: if '*' is present, must not specify other api groups`,
      `resourceRules[0].resources: Invalid value: ["b","*"]: if '*' is present, must not specify other resources`,
    ],
    [
      { subjects: [{ kind: 'ServiceAccount', user: user.user, group: { name: 'g' } }], ...everything },
      "subjects[0].serviceAccount: Required value: serviceAccount is required when subject kind is 'ServiceAccount'",
      "subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'",
      "subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
    ],
    [
      { subjects: [{ kind: 'Group', group: {}, serviceAccount: account, user: user.user }], ...everything },
      'subjects[0].group.name: Required value',
      "subjects[0].serviceAccount: Forbidden: serviceAccount is forbidden when subject kind is not 'ServiceAccount'",
      "subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'",
    ],
    [
      { subjects: [{ kind: 'ServiceAccount', serviceAccount: { name: '' } }], ...everything },
      'subjects[0].serviceAccount.name: Required value',
      'subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account',
    ],
  ];
  for (const [rule, ...problems] of rows)
    assert.deepEqual(
      problemsOf(flowSchemaKind, 's', {
        priorityLevelConfiguration: { name: 'l' },
        matchingPrecedence: 5,
        rules: [rule],
      }),
      problems.map((problem) => `spec.rules[0].${problem}`),
    );
});
