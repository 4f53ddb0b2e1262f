import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CachedObject } from './cached-object.ts';

const stored = '{"kind":"Big","apiVersion":"example.com/v1","metadata":{"name":"a"},"apiVersion2":"v3"}';

test('the version of an object is known without decoding it', () => {
  const cached = new CachedObject('a', 7, Buffer.from(stored));
  assert.equal(cached.apiVersion, 'example.com/v1');
  void cached.bytes;
  assert.equal(cached.apiVersion, 'example.com/v1');
});

test('an object that others decode between the steps is theirs', () => {
  const cached = new CachedObject('a', 7, Buffer.from(stored));
  const steps = cached.objectInSteps();
  assert.equal(steps.next().done, false);
  const { object } = cached;
  assert.equal(steps.next().value, object);
  assert.equal(object.metadata.resourceVersion, '7');
  assert.ok(Object.isFrozen(object.metadata));
});
