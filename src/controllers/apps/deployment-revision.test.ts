import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { annotationsFor, nextRevision } from './deployment-revision.ts';

const key = 'deployment.kubernetes.io/revision';
const setOf = (revision: string) => sparse<ReplicaSet>({ metadata: { annotations: { [key]: revision } } });

for (const [known, next] of [
  [[], 1n],
  [['2', '10', '9'], 11n],
  [['3546343826724305832'], 3546343826724305833n],
  [['4', 'not a number'], 5n],
  [['99999999999999999999'], 1n],
] as const)
  test(`after the revisions [${known.join()}] comes ${next}`, () => {
    assert.equal(nextRevision(known.map(setOf)), next);
  });

test('a set that is in force again gets the new number, and its history remembers the old one', () => {
  const deployment = sparse<Deployment>({ metadata: { annotations: { team: 'a' } } });
  assert.deepEqual(annotationsFor(deployment, setOf('3546343826724305832'), 3546343826724305834n), {
    [key]: '3546343826724305834',
    'deployment.kubernetes.io/revision-history': '3546343826724305832',
    team: 'a',
  });
});
