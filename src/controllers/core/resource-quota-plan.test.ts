import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuantity } from '../../api/quantities/quantity.ts';
import type { ResourceQuota } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { DiscoveredResource } from '../../client/discovery.ts';
import { type Lowered, planCount, planQuota, uncountedNames } from './resource-quota-plan.ts';

const quota = (hard: string, used: string | undefined, more: { version?: string; uid?: string } = {}) =>
  sparse<ResourceQuota>({
    metadata: { name: 'q', uid: more.uid ?? 'u', resourceVersion: more.version ?? '1' },
    spec: { hard: { pods: hard } },
    status: used === undefined ? {} : { hard: { pods: '5' }, used: { pods: used } },
  });
const pods = (count: number) => ({
  usages: Array.from({ length: count }, () => new Map([['pods', parseQuantity('1')]])),
  uncounted: [] as string[],
});
const at = (sinceMs: number, versionMs: number, version = '1'): Lowered => ({
  uid: 'u',
  version,
  versionMs,
  sinceMs,
});
const status = (hard: string, used: string) => ({ status: { hard: { pods: hard }, used: { pods: used } } });

/** The quota, the count, what was lowered before; at 10 s: what is done. */
const rows: [string, ResourceQuota, number, Lowered | undefined, ReturnType<typeof planQuota>][] = [
  ['that is right is left alone', quota('5', '2'), 2, undefined, {}],
  ['that is new is counted', quota('5', undefined), 2, undefined, status('5', '2')],
  ['that has another limit says so', quota('7', '2'), 2, undefined, status('7', '2')],
  ['that is used more says so at once', quota('5', '1'), 2, undefined, status('5', '2')],
  [
    'that is used less is counted again first',
    quota('5', '3'),
    2,
    undefined,
    { lowered: at(10_000, 10_000) },
  ],
  ['that was left alone meanwhile is lowered', quota('5', '3'), 2, at(9_500, 9_500), status('5', '2')],
  [
    'that was left alone for a moment waits',
    quota('5', '3'),
    2,
    at(9_600, 9_600),
    { lowered: at(9_600, 9_600) },
  ],
  [
    'that was charged meanwhile waits anew',
    quota('5', '3', { version: '2' }),
    2,
    at(9_000, 9_000),
    { lowered: at(9_000, 10_000, '2') },
  ],
  [
    'that is charged all the time is lowered in the end',
    quota('5', '3', { version: '2' }),
    2,
    at(5_000, 9_900),
    status('5', '2'),
  ],
  [
    'of the same name is another',
    quota('5', '3', { uid: 'w' }),
    2,
    at(1_000, 1_000),
    { lowered: { ...at(10_000, 10_000), uid: 'w' } },
  ],
];
for (const [what, given, count, before, expected] of rows)
  test(`a quota ${what}`, () => {
    assert.deepEqual(planQuota(given, pods(count), before, 10_000), expected);
  });

test('what cannot be counted keeps its count, and is none where it had none', () => {
  const uncounted = ['pods'];
  assert.deepEqual(planQuota(quota('5', '3'), { usages: [], uncounted }, undefined, 0), {});
  assert.deepEqual(
    planQuota(quota('5', undefined), { usages: [], uncounted }, undefined, 0),
    status('5', '0'),
  );
});

test('what the caches have is counted there, what they have not by asking the server, unless the quota has scopes', () => {
  const hard = { pods: '1', 'count/secrets': '1', 'count/widgets.x.io': '1', 'requests.storage': '1Gi' };
  const counts = (spec: object) => {
    const { kinds, others } = planCount(sparse<ResourceQuota>({ spec: { hard, ...spec } }));
    return [kinds.map(({ kind }) => kind), others];
  };
  assert.deepEqual(counts({}), [['PersistentVolumeClaim', 'Pod', 'Secret'], ['count/widgets.x.io']]);
  assert.deepEqual(counts({ scopes: ['BestEffort'] })[1], []);
});

test('a name is not counted when its resource cannot be listed, or its group cannot be learned', () => {
  const resource = (plural: string, group: string) =>
    sparse<DiscoveredResource>({ plural, group, version: 'v1', kind: plural });
  const [widgets, gadgets] = [resource('widgets', 'x.io'), resource('gadgets', 'x.io')];
  const away = new Error('away');
  const discovered = { resources: [widgets, gadgets], failures: new Map([['y.io/v1', away]]) };
  const names = ['count/widgets.x.io', 'count/gadgets.x.io', 'count/others.y.io', 'count/none.z.io'];
  const uncounted = uncountedNames(names, discovered, new Map([[gadgets, away]]));
  assert.deepEqual([...uncounted.keys()], ['count/gadgets.x.io', 'count/others.y.io']);
});
