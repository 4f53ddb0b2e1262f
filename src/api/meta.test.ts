import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KubeObject, newestOf } from './meta.ts';

const made = (name: string, creationTimestamp: string): KubeObject => ({
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp },
});

test('the newest object is the one that was created last, and of those of one second the first by name', () => {
  const old = made('a', '2026-01-01T00:00:00Z');
  const [b, c] = [made('b', '2026-01-02T00:00:00Z'), made('c', '2026-01-02T00:00:00Z')];
  assert.equal(newestOf([c, old, b]), b);
  assert.equal(newestOf([old, c]), c);
  assert.equal(newestOf([]), undefined);
});
