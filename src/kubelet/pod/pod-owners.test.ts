import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodOwners } from './pod-owners.ts';

test('ids that came and went between two listings are forgotten, those that came during one are not', () => {
  const owners = new PodOwners();
  for (const id of ['there', 'gone']) owners.set(id, 'pod');
  const settle = owners.beforeListing();
  owners.set('made meanwhile', 'pod');
  settle((id) => id === 'there');
  assert.equal(owners.size, 2);
  assert.equal(owners.podOf('there'), 'pod');
  assert.equal(owners.podOf('made meanwhile'), 'pod');
  assert.equal(owners.podOf('gone'), undefined);
});
