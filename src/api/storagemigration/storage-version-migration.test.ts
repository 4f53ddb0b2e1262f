import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StorageVersionMigration } from '../resources.gen.ts';
import { storageVersionMigrationKind } from './storage-version-migration.ts';

const at = '2020-01-01T00:00:00Z';
const condition = (type: string, status = 'True') => ({
  type,
  status,
  reason: 'r',
  message: '',
  lastTransitionTime: at,
});
const migration = (resourceVersion?: string, ...conditions: object[]) =>
  ({
    metadata: { name: 'm' },
    spec: { resource: { group: 'apps', resource: 'deployments' } },
    status: { ...(resourceVersion !== undefined && { resourceVersion }), conditions },
  }) as unknown as StorageVersionMigration;

const rows: [string, StorageVersionMigration, StorageVersionMigration, RegExp[]][] = [
  ['it may succeed', migration('5', condition('Succeeded')), migration('5', condition('Running')), []],
  [
    'it starts from a version',
    migration('x'),
    migration(),
    [/^status\.resourceVersion: .* not well formed: x$/],
  ],
  [
    'it starts once',
    migration('6'),
    migration('5'),
    [/^status\.resourceVersion: .*"6": field is immutable$/],
  ],
  [
    'it cannot succeed and fail',
    migration('5', condition('Succeeded'), condition('Failed')),
    migration('5'),
    [/^status\.conditions: .*: Both success and failed conditions cannot be true at the same time$/],
  ],
  [
    'what succeeded stays so',
    migration('5', condition('Succeeded', 'False')),
    migration('5', condition('Succeeded')),
    [/^status\.conditions: .*: Success condition cannot be set to false once it is true$/],
  ],
  [
    'what failed stays so',
    migration('5'),
    migration('5', condition('Failed')),
    [/^status\.conditions: .*: Failed condition cannot be set to false once it is true$/],
  ],
];

for (const [what, now, before, expected] of rows)
  test(`a migration: ${what}`, () => {
    const errors = [...storageVersionMigrationKind.validateUpdate!(now, before, { subresource: 'status' })];
    assert.equal(errors.length, expected.length, errors.map(({ text }) => text).join('\n'));
    for (const [index, pattern] of expected.entries()) assert.match(errors[index]!.text, pattern);
  });
