import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, PersistentVolumeClaim, Pod, StatefulSet } from '../../../api/resources.gen.ts';
import { pickNode } from './volume-node.ts';

const nodes = ['a', 'b'].map((name) => ({ metadata: { name, labels: { disk: name } } }) as unknown as Node);
const claim = (name: string) => ({ metadata: { name, namespace: 'ns' } }) as PersistentVolumeClaim;
const pod = (claims: string[], nodeName?: string) =>
  ({
    metadata: { name: 'p', namespace: 'ns' },
    spec: {
      ...(nodeName && { nodeName }),
      volumes: claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })),
    },
  }) as Pod;
const set = (name: string, ...templates: string[]) =>
  ({
    metadata: { name, namespace: 'ns' },
    spec: {
      template: {},
      volumeClaimTemplates: templates.map((template) => ({ metadata: { name: template } })),
    },
  }) as StatefulSet;

/** Kept to nodes by a label. */
const onDisk = (disk: string, claims: string[]) => {
  const one = pod(claims);
  return { ...one, spec: { ...one.spec, nodeSelector: { disk } } } as Pod;
};
const setOnDisk = (disk: string, ...names: [string, ...string[]]) => {
  const one = set(...names);
  return { ...one, spec: { ...one.spec, template: onDisk(disk, []) } } as StatefulSet;
};

interface Row {
  it: string;
  claim: string;
  /** Claim → node of its volume. */
  volumes?: Record<string, string>;
  pods?: Pod[];
  sets?: StatefulSet[];
  expect: string;
}

const rows: Row[] = [
  { it: 'takes the node with the fewest volumes', claim: 'x', volumes: { 'other/y': 'a' }, expect: 'b' },
  { it: 'takes the first of equal nodes', claim: 'x', expect: 'a' },
  {
    it: 'lies beside the other claims of its pod',
    claim: 'x',
    volumes: { 'ns/y': 'a' },
    pods: [pod(['x', 'y'])],
    expect: 'a',
  },
  { it: 'goes where its pod is', claim: 'x', pods: [pod(['x'], 'b')], expect: 'b' },
  {
    it: 'lies beside the other claims of its member of a StatefulSet, whose pod is not there yet',
    claim: 'log-db-1',
    volumes: { 'ns/data-db-0': 'b', 'ns/data-db-1': 'a' },
    sets: [set('db', 'data', 'log')],
    expect: 'a',
  },
  {
    it: 'leaves the claims of other members alone, so that they spread',
    claim: 'data-db-1',
    volumes: { 'ns/data-db-0': 'a' },
    sets: [set('db', 'data')],
    expect: 'b',
  },
  {
    it: 'lies beside claims of its namespace that no pod uses yet: they may be of one pod',
    claim: 'x',
    volumes: { 'ns/y': 'a' },
    expect: 'a',
  },
  {
    it: 'does not lie beside what another pod uses',
    claim: 'x',
    volumes: { 'ns/y': 'a' },
    pods: [pod(['y'], 'a')],
    expect: 'b',
  },
  {
    it: 'goes where the node selector of its pod lets it run',
    claim: 'x',
    volumes: { 'ns/y': 'a' },
    pods: [onDisk('b', ['x', 'y'])],
    expect: 'b',
  },
  {
    it: 'goes where the template of its StatefulSet lets pods run',
    claim: 'data-db-0',
    sets: [setOnDisk('b', 'db', 'data')],
    expect: 'b',
  },
  {
    it: 'goes to any node when its pod may run on none',
    claim: 'x',
    pods: [onDisk('c', ['x'])],
    expect: 'a',
  },
  { it: 'does not go to a node that takes no pods', claim: 'x', volumes: { 'ns/y': 'gone' }, expect: 'a' },
];
for (const row of rows)
  test(`the volume of a claim ${row.it}`, () => {
    const { volumes = {}, pods = [], sets = [] } = row;
    const all = [...nodes, { metadata: { name: 'gone' } } as Node];
    const picked = pickNode(claim(row.claim), {
      nodes,
      volumesOn: ({ metadata }) => Object.values(volumes).filter((name) => name === metadata.name).length,
      nodeOf: (key) => all.find(({ metadata }) => metadata.name === volumes[key]),
      podsUsing: (key) =>
        pods.filter(({ spec }) =>
          spec.volumes?.some(({ persistentVolumeClaim: one }) => `ns/${one?.claimName}` === key),
        ),
      statefulSets: sets,
      claims: Object.keys(volumes)
        .filter((key) => key.startsWith('ns/'))
        .map((key) => claim(key.slice(3))),
    });
    assert.equal(picked?.metadata.name, row.expect);
  });
