import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../../api/resources.gen.ts';
import { sparse } from '../../../../base/sparse.fixture.ts';
import { mayForbidMore, warningsOfExisting } from './existing-pods.ts';
import type { LevelVersion } from './namespace-policy.ts';

test('pods are looked at when the new level may forbid what the old one did not', () => {
  const of = (text: string) => {
    const [level, version] = text.split(':');
    return { level, version } as LevelVersion;
  };
  const rows: [before: string, next: string, isLooked: boolean][] = [
    ['baseline:latest', 'baseline:latest', false],
    ['baseline:latest', 'restricted:latest', true],
    ['restricted:latest', 'baseline:latest', false],
    ['restricted:latest', 'privileged:v1.30', false],
    ['baseline:v1.20', 'baseline:latest', true],
    ['restricted:v1.20', 'baseline:latest', true],
  ];
  for (const [before, next, isLooked] of rows)
    assert.equal(mayForbidMore(of(next), of(before)), isLooked, `${before} → ${next}`);
});

function pod(name: string, { owner, ...spec }: { owner?: string; hostNetwork?: boolean; hostPID?: boolean }) {
  const ownerReferences = owner ? [{ kind: 'ReplicaSet', name: owner, uid: owner, controller: true }] : [];
  return sparse<Pod>({ metadata: { name, ownerReferences }, spec: { containers: [], ...spec } });
}

const baseline = { level: 'baseline', version: 'latest' } as const;

test('pods with the same faults are named together, in the order of names', () => {
  const pods = [
    pod('z', { hostNetwork: true }),
    pod('b', { hostNetwork: true, owner: 'r' }),
    pod('a', { hostNetwork: true, owner: 'r' }),
    pod('good', {}),
  ];
  assert.deepEqual(warningsOfExisting('n', pods, baseline), [
    'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
    'a (and 2 other pods): host namespaces',
  ]);
});

test('of more pods than can be looked at, one of each controller comes first', () => {
  const pods = Array.from({ length: 4_000 }, (_, index) => pod(`p${index}`, { owner: 'r' }));
  assert.deepEqual(warningsOfExisting('n', [...pods, pod('last', { hostPID: true })], baseline), [
    'new PodSecurity enforce level only checked against the first 3000 of 4001 existing pods',
    'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
    'last: host namespaces',
  ]);
});
