import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobSpec } from '../types/batch-v1.gen.ts';
import { validateJobSpec } from './job.ts';

function errorsOf(spec: object): string[] {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  return [...validateJobSpec({ template, ...spec } as JobSpec, 'spec')]
    .map(({ text }) => text)
    .filter((text) => !text.startsWith('spec.template'));
}

const indexed = { completionMode: 'Indexed', completions: 5, parallelism: 2 };
const rules = 'spec.successPolicy.rules';

test('an early success is by indexes that the Job has', () => {
  const rows: [object, string[]][] = [
    [{ rules: [{ succeededIndexes: '0-2,4', succeededCount: 4 }] }, []],
    [
      { rules: [] },
      [`${rules}: Required value: at least one rules must be specified when the successPolicy is specified`],
    ],
    [
      { rules: [{}] },
      [`${rules}[0]: Required value: at least one of succeededCount or succeededIndexes must be specified`],
    ],
    [
      { rules: [{ succeededIndexes: '5' }] },
      [
        `${rules}[0].succeededIndexes: Invalid value: "5": error parsing succeededIndexes: too large index: "5"`,
      ],
    ],
    [
      { rules: [{ succeededIndexes: '2,1' }] },
      [
        `${rules}[0].succeededIndexes: Invalid value: "2,1": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1`,
      ],
    ],
    [
      { rules: [{ succeededIndexes: '0,1', succeededCount: 3 }] },
      [
        `${rules}[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)`,
      ],
    ],
  ];
  for (const [successPolicy, expected] of rows)
    assert.deepEqual(errorsOf({ ...indexed, successPolicy }), expected);
  assert.match(errorsOf({ successPolicy: { rules: [] } })[0]!, /requires indexed completion mode$/);
});

test('a rule for failures says what it means and when', () => {
  const field = 'spec.podFailurePolicy.rules[0]';
  const rows: [object, string[]][] = [
    [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }, []],
    [
      { onExitCodes: { operator: 'In', values: [1] } },
      [`${field}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`],
    ],
    [
      { action: 'FailIndex', onExitCodes: { operator: 'In', values: [1] } },
      [`${field}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`],
    ],
    [
      { action: 'Count' },
      [`${field}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`],
    ],
    [
      { action: 'Count', onExitCodes: { operator: 'In', values: [3, 0, 3] } },
      [
        `${field}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator`,
        `${field}.onExitCodes.values[2]: Duplicate value: 3`,
        `${field}.onExitCodes.values: Invalid value: [3,0,3]: must be ordered`,
      ],
    ],
    [
      { action: 'Count', onPodConditions: [{ type: 'X', status: 'Maybe' }] },
      [
        `${field}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
      ],
    ],
  ];
  for (const [rule, expected] of rows)
    assert.deepEqual(errorsOf({ podFailurePolicy: { rules: [rule] } }), expected);
});

test('limits for indexes need indexes, and many indexes need limits', () => {
  assert.deepEqual(errorsOf({ ...indexed, maxFailedIndexes: 6 }), [
    'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
    'spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions',
  ]);
  assert.deepEqual(
    errorsOf({ ...indexed, completions: 100_001, parallelism: 10_001, backoffLimitPerIndex: 1 }),
    [
      'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000',
      'spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
    ],
  );
  assert.deepEqual(errorsOf({ managedBy: 'nobody' }), [
    'spec.managedBy: Invalid value: "nobody": must be a domain-prefixed path (such as "acme.io/foo")',
  ]);
});
