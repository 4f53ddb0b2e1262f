import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ItemsByPod } from './items-by-pod.ts';

const item = (name: string, uid?: string) => ({
  name,
  status: { labels: { app: name, ...(uid && { 'io.kubernetes.pod.uid': uid }) } },
});
const names = (items: Iterable<{ name: string }>) => [...items].map(({ name }) => name);
const ofPod = (uid: string) => ({ 'io.kubernetes.pod.uid': uid });

test('items are found by their pod as long as they are there', () => {
  const items = new ItemsByPod<ReturnType<typeof item>>();
  items.set('1', item('a', 'x')).set('2', item('b', 'x')).set('3', item('c', 'y')).set('4', item('d'));
  assert.deepEqual(names(items.candidates(ofPod('x'))), ['a', 'b']);
  items.set('2', item('changed', 'x'));
  items.delete('1');
  assert.deepEqual(names(items.candidates(ofPod('x'))), ['changed']);
  items.delete('2');
  assert.deepEqual(names(items.candidates(ofPod('x'))), []);
  assert.deepEqual(names(items.candidates(undefined)), ['c', 'd']);
  assert.deepEqual(names(items.candidates({ app: 'c' })), ['c', 'd'], 'another label narrows nothing');
});
