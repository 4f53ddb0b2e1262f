import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import { ConfigMap } from '../../api/resources.gen.ts';
import { GarbageGraph, type GraphConsequences } from './garbage-graph.ts';

function object(
  name: string,
  more: { owners?: string[]; finalizers?: string[]; deleted?: boolean } = {},
): KubeObject {
  const ownerReferences = more.owners?.map((owner) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: owner,
    uid: owner,
    blockOwnerDeletion: true,
  }));
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      resourceVersion: '1',
      creationTimestamp: '',
      ...(ownerReferences && { ownerReferences }),
      ...(more.finalizers && { finalizers: more.finalizers }),
      ...(more.deleted && { deletionTimestamp: 'now' }),
    },
  };
}
const names = ({ check, orphan }: GraphConsequences) => [
  check.map((node) => node.name),
  orphan.map((node) => node.name),
];

test('an object whose owner is not known is looked at', () => {
  const graph = new GarbageGraph();
  assert.deepEqual(names(graph.observe(ConfigMap, object('child', { owners: ['gone'] }))), [['child'], []]);
});

test('an object whose owner is there is not', () => {
  const graph = new GarbageGraph();
  graph.observe(ConfigMap, object('owner'));
  assert.deepEqual(names(graph.observe(ConfigMap, object('child', { owners: ['owner'] }))), [[], []]);
});

test('when an owner goes, its dependents are looked at', () => {
  const graph = new GarbageGraph();
  graph.observe(ConfigMap, object('owner'));
  graph.observe(ConfigMap, object('child', { owners: ['owner'] }));
  assert.deepEqual(names(graph.remove('owner')), [['child'], []]);
});

test('a foreground deletion looks at the dependents, and at the owner again when the last is gone', () => {
  const graph = new GarbageGraph();
  graph.observe(ConfigMap, object('owner'));
  graph.observe(ConfigMap, object('child', { owners: ['owner'] }));
  const waiting = object('owner', { finalizers: ['foregroundDeletion'], deleted: true });
  assert.deepEqual(names(graph.observe(ConfigMap, waiting)), [['owner', 'child'], []]);
  assert.deepEqual(names(graph.remove('child')), [['owner'], []]);
});

test('an orphaning deletion asks for its dependents to be let go', () => {
  const graph = new GarbageGraph();
  const leaving = object('owner', { finalizers: ['orphan'], deleted: true });
  assert.deepEqual(names(graph.observe(ConfigMap, leaving)), [[], ['owner']]);
});

test('nothing is left of owners that were known by references alone', () => {
  const graph = new GarbageGraph();
  graph.observe(ConfigMap, object('child', { owners: ['gone'] }));
  assert.equal(graph.size, 2);
  graph.remove('child');
  assert.equal(graph.size, 0);
});
