import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finalizerWarnings } from './object-meta.ts';

test('new finalizers of custom resources should have the name of a domain and a path', () => {
  const end = 'to avoid accidental conflicts with other finalizer writers';
  assert.deepEqual(
    [...finalizerWarnings(['plain', 'a.example.com', 'a.example.com/b', 'orphan', 'kept'], ['kept'])],
    [
      `metadata.finalizers: "a.example.com": prefer a domain-qualified finalizer name including a path (/) ${end}`,
      `metadata.finalizers: "plain": prefer a domain-qualified finalizer name ${end}`,
    ],
  );
});
