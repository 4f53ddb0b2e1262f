import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LabelSelector } from '../../api/meta.ts';
import type { Node, Pod } from '../../api/resources.gen.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import { seededRandom } from '../../base/random.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { NodeInfo } from './node-info.ts';
import { PodIndex, type PodSelection } from './pod-index.ts';
import { createPodInfo, type PodInfo } from './pod-info.ts';
import { requiredLabels } from './required-labels.ts';

const random = seededRandom(7);
const below = (count: number) => Math.floor(random.next() * count);
const pick = <Item>(items: readonly Item[]) => items[below(items.length)]!;

function randomPod(uid: string): Pod {
  const labels = { app: `app-${below(40)}`, tier: pick(['web', 'db']) };
  const metadata = {
    name: uid,
    uid,
    namespace: pick(['one', 'two']),
    ...(below(10) > 0 && { labels }),
    ...(below(10) === 0 && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  };
  return sparse<Pod>({ metadata, spec: { containers: [] } });
}

function randomSelection(): PodSelection {
  const namespace = pick(['one', 'two']);
  const selector = pick<LabelSelector>([
    { matchLabels: { app: `app-${below(40)}` } },
    { matchLabels: { app: `app-${below(40)}`, tier: 'web' } },
    { matchExpressions: [{ key: 'app', operator: 'In', values: [`app-${below(40)}`] }] },
    { matchExpressions: [{ key: 'app', operator: 'In', values: ['app-1', 'app-2'] }] },
    { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['db'] }] },
    {},
  ]);
  const matches = compileLabelSelector(selector);
  // More selections than are kept; their keys differ, since equal ones would be a single selection.
  return {
    key: `${namespace} ${JSON.stringify(selector)} ${below(20)}`,
    livingOnly: below(2) === 0,
    required: requiredLabels(namespace, selector),
    matches: (where, labels) => where === namespace && matches(labels),
  };
}

test('a selection has the pods that it means, however pods and selections come and go', () => {
  const nodes = new Map(
    ['a', 'b', 'c'].map((name) => {
      const labels = { zone: name === 'c' ? 'east' : 'west' };
      return [name, new NodeInfo(sparse<Node>({ metadata: { name, labels }, spec: {}, status: {} }))];
    }),
  );
  const index = new PodIndex((name) => nodes.get(name));
  const placed = new Map<string, { info: PodInfo; node: NodeInfo }>();
  for (let round = 0; round < 6_000; round++) {
    const [uid] = placed.keys();
    if (uid !== undefined && below(5) < 2) {
      const { info, node } = placed.get(uid)!;
      index.removePod(info, node);
      placed.delete(uid);
    } else {
      const info = createPodInfo(randomPod(`pod-${round}`));
      const node = nodes.get(pick(['a', 'b', 'c']))!;
      index.addPod(info, node);
      placed.set(info.uid, { info, node });
    }
    const selection = randomSelection();
    const selected = index.select(selection);
    const meant = [...placed.values()].filter(
      ({ info: { namespace, pod } }) =>
        selection.matches(namespace, pod.metadata.labels) &&
        !(selection.livingOnly && pod.metadata.deletionTimestamp),
    );
    const west = meant.filter(({ node }) => node.name !== 'c').length;
    assert.deepEqual([selected.total, selected.byTopology('zone').get('west') ?? 0], [meant.length, west]);
  }
});

test('a pod whose labels are written in another order later leaves only what is its own', () => {
  const node = new NodeInfo(sparse<Node>({ metadata: { name: 'n' } }));
  const index = new PodIndex(() => node);
  const labelled = (uid: string, labels: Record<string, string>) =>
    sparse<Pod>({ metadata: { name: uid, uid, namespace: 'one', labels }, spec: { containers: [] } });
  const [first, second] = [
    labelled('first', { app: 'a', tier: 'web' }),
    labelled('second', { tier: 'web', app: 'a' }),
  ].map(createPodInfo) as [PodInfo, PodInfo];
  for (const info of [first, second]) index.addPod(info, node);
  first.pod = labelled('first', { tier: 'web', app: 'a' });
  index.removePod(first, node);
  const all = { key: 'all', livingOnly: false, required: [], matches: () => true };
  assert.equal(index.select(all).total, 1);
});
