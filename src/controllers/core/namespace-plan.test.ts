import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import type { Namespace } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { DiscoveredResource } from '../../client/discovery.ts';
import {
  deletionConditions,
  type Emptied,
  isEmpty,
  isToBeEmptied,
  planDeletion,
  planTurns,
  type Remains,
  remainsOf,
} from './namespace-plan.ts';

const namespace = (uid: string) => sparse<Namespace>({ metadata: { name: 'shop', uid } });
const object = (metadata: object) => sparse<KubeObject>({ metadata });
const resource = (plural: string, more: Partial<DiscoveredResource> = {}): DiscoveredResource => ({
  group: '',
  version: 'v1',
  kind: 'Any',
  plural,
  namespaced: true,
  verbs: ['list', 'delete', 'deletecollection'],
  isView: false,
  ...more,
});

for (const [what, deletionTimestamp, finalizers, expected] of [
  ['in use', undefined, ['kubernetes'], false],
  ['being deleted', '2026-01-01T00:00:00Z', ['kubernetes'], true],
  ['being deleted, emptied already', '2026-01-01T00:00:00Z', ['example.com/mine'], false],
  ['being deleted that nothing holds', '2026-01-01T00:00:00Z', undefined, false],
] as const)
  test(`a namespace ${what} is ${expected ? '' : 'not '}to be emptied`, () => {
    const given = sparse<Namespace>({ metadata: { name: 'shop', deletionTimestamp }, spec: { finalizers } });
    assert.equal(isToBeEmptied(given), expected);
  });

test('pods go first, and of all else what is in namespaces, can be deleted, and is not shown a second time', () => {
  const turns = planTurns([
    resource('secrets'),
    resource('pods'),
    resource('pods', { group: 'metrics.k8s.io' }),
    resource('nodes', { namespaced: false }),
    resource('bindings', { verbs: ['create'] }),
    resource('pods', { group: 'metrics.example.com', verbs: ['list', 'get'] }),
    resource('ingresses', { group: 'extensions', isView: true }),
    resource('widgets', { group: 'example.com', verbs: ['list', 'delete'] }),
  ]);
  assert.deepEqual(
    turns.map((turn) => turn.map(({ plural, group }) => `${plural}.${group}`)),
    [['pods.'], ['secrets.', 'pods.metrics.k8s.io', 'widgets.example.com']],
  );
});

const going = { name: 'going', deletionTimestamp: '2026-01-01T00:00:00Z' };
for (const [what, verbs, items, expected] of [
  ['nothing', ['deletecollection'], [], undefined],
  ['what goes already', ['deletecollection'], [going], undefined],
  ['something that stays so far', ['deletecollection'], [going, { name: 'a' }], 'all'],
  ['several that only go one by one', ['delete'], [{ name: 'a' }, going, { name: 'b' }], ['a', 'b']],
] as const)
  test(`of ${what}, asked to go: ${expected ?? 'none'}`, () => {
    const plan = planDeletion(resource('widgets', { verbs: [...verbs] }), items.map(object));
    const names =
      plan === undefined || plan === 'all' ? plan : plan.each.map(({ metadata }) => metadata.name);
    assert.deepEqual(names, expected);
  });

const left = (plural: string, group: string, ...objects: object[]): Emptied => ({
  resource: resource(plural, { group }),
  outcome: { left: objects.map(object) },
});
const failed = (plural: string, error: Error): Emptied => ({
  resource: resource(plural),
  outcome: { error },
});

test('what remains is counted by resource and by finalizer', () => {
  const remains = remainsOf(
    'shop',
    [
      left('pods', '', { finalizers: ['a', 'b'] }, { finalizers: ['b'] }),
      left('widgets', 'example.com', { finalizers: ['b'] }),
      left('secrets', ''),
    ],
    new Map([['x.io/v1', new Error('away')]]),
    0,
  );
  assert.deepEqual(
    [...remains.resources],
    [
      ['pods', 2],
      ['widgets.example.com', 1],
    ],
  );
  assert.deepEqual(
    [...remains.finalizers],
    [
      ['a', 1],
      ['b', 3],
    ],
  );
  assert.deepEqual(remains.discoveryFailures, ['x.io/v1']);
  assert.deepEqual(remains.contentFailures, []);
  assert.equal(isEmpty(remains), false);
});

for (const [what, emptied, failures, expected] of [
  ['of which nothing remains', [left('pods', '')], [], true],
  ['with an object', [left('secrets', '', { finalizers: ['a'] })], [], false],
  ['with a group that cannot be learned', [left('pods', '')], ['x.io/v1'], false],
  ['with pods that could not be listed', [failed('pods', new Error('no'))], [], false],
  ['with a resource that is no longer served', [failed('widgets', new StatusError(404, '', 'no'))], [], true],
  ['with one that cannot be deleted', [failed('widgets', new StatusError(405, '', 'no'))], [], true],
  ['with one that is refused', [failed('widgets', new StatusError(403, '', 'no'))], [], false],
] as const)
  test(`a namespace ${what} is ${expected ? '' : 'not '}empty`, () => {
    const unlearned = new Map(failures.map((version) => [version, new Error('away')]));
    assert.equal(isEmpty(remainsOf('shop', emptied, unlearned, 0)), expected);
  });

for (const [what, plural, objects, sinceMs, expected] of [
  ['nothing', 'pods', [], 60_000, false],
  ['pods in their grace period', 'pods', [{ deletionGracePeriodSeconds: 30 }], 29_000, false],
  ['pods after their grace period', 'pods', [{ deletionGracePeriodSeconds: 30 }, {}], 30_000, true],
  ['other objects', 'services', [{}], 0, true],
  ['objects with a finalizer', 'services', [{}, { finalizers: ['x'] }], 60_000, false],
] as const)
  test(`${what} left of a namespace ${expected ? 'should be gone' : 'may take its time'}`, () => {
    const { contentFailures } = remainsOf('shop', [left(plural, '', ...objects)], new Map(), sinceMs);
    const message = `unexpected items still remain in namespace: shop for gvr: /v1, Resource=${plural}`;
    assert.deepEqual(contentFailures, expected ? [message] : []);
  });

const remains = (more: Partial<Remains>): Remains => ({
  resources: new Map(),
  finalizers: new Map(),
  discoveryFailures: [],
  contentFailures: [],
  ...more,
});

/** What is left; the condition that says so, and its message. */
const rows: [string, Partial<Remains>, string, string][] = [
  [
    'objects',
    {
      resources: new Map([
        ['widgets.example.com', 1],
        ['pods', 2],
      ]),
    },
    'NamespaceContentRemaining SomeResourcesRemain',
    'Some resources are remaining: pods. has 2 resource instances, widgets.example.com has 1 resource instances',
  ],
  [
    'finalizers',
    { finalizers: new Map([['example.com/held', 3]]) },
    'NamespaceFinalizersRemaining SomeFinalizersRemain',
    'Some content in the namespace has finalizers remaining: example.com/held in 3 resource instances',
  ],
  [
    'groups that cannot be learned',
    { discoveryFailures: ['y.io/v1', 'x.io/v1'] },
    'NamespaceDeletionDiscoveryFailure DiscoveryFailed',
    'Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: ' +
      'x.io/v1: stale GroupVersion discovery: x.io/v1, y.io/v1: stale GroupVersion discovery: y.io/v1',
  ],
  [
    'what cannot be deleted',
    { contentFailures: ['no to the second', 'no to the first'] },
    'NamespaceDeletionContentFailure ContentDeletionFailed',
    'Failed to delete all resource types, 2 remaining: no to the first, no to the second',
  ],
];
for (const [what, left, condition, message] of rows)
  test(`a namespace that is held up by ${what} says so in one condition`, () => {
    const failed = deletionConditions(namespace('u'), remains(left), 'now').filter(
      ({ status }) => status === 'True',
    );
    assert.deepEqual(
      failed.map(({ type, reason }) => `${type} ${reason}`),
      [condition],
    );
    assert.equal(failed[0]?.message, message);
  });

test('a namespace that is empty has passed all checks, and remembers since when', () => {
  const before = deletionConditions(namespace('u'), remains({ contentFailures: ['x'] }), 'then');
  const given = { ...namespace('u'), status: { conditions: before } };
  const after = deletionConditions(given, remains({}), 'now');
  assert.deepEqual(
    after.map(({ status, lastTransitionTime }) => `${status} ${lastTransitionTime}`),
    ['False then', 'False then', 'False now', 'False then', 'False then'],
  );
});
