import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../base/json-object.ts';
import { schemaNode } from '../schemas.ts';
import { member } from './field-set.ts';
import { compareTyped } from './typed-comparison.ts';

const pod = schemaNode('io.k8s.api.core.v1.Pod');
const ready = { type: 'Ready', status: 'True' };
const inStatus = (conditions: unknown[]): JsonObject => ({ status: { conditions } });
const none = { removed: undefined, modified: undefined, added: undefined };

function compareConditions(old: unknown[], next: unknown[]) {
  const { removed, modified, added } = compareTyped(inStatus(old), inStatus(next), pod);
  return { removed: removed?.['f:status'], modified: modified?.['f:status'], added: added?.['f:status'] };
}

test('items are identified by their key, wherever they are in the list', () => {
  const scheduled = { type: 'PodScheduled', status: 'True' };
  assert.deepEqual(compareConditions([ready, scheduled], [scheduled, ready]), none);
  assert.deepEqual(compareConditions([ready], [{ ...ready }]), none);
  assert.deepEqual(compareConditions([ready, scheduled], [{ ...ready, status: 'False' }]), {
    removed: {
      'f:conditions': { 'k:{"type":"PodScheduled"}': { '.': member, 'f:status': member, 'f:type': member } },
    },
    modified: { 'f:conditions': { 'k:{"type":"Ready"}': { 'f:status': member } } },
    added: undefined,
  });
  assert.deepEqual(compareConditions([], [ready]).added, {
    'f:conditions': { 'k:{"type":"Ready"}': { '.': member, 'f:status': member, 'f:type': member } },
  });
});

test('items that share a key can only differ as a whole', () => {
  const other = { ...ready, status: 'False' };
  assert.deepEqual(compareConditions([ready, other], [ready, other]), none);
  assert.deepEqual(compareConditions([ready, other], [other, ready]).modified, {
    'f:conditions': { 'k:{"type":"Ready"}': member },
  });
  assert.deepEqual(compareConditions([ready], [ready, other]).added, {
    'f:conditions': { 'k:{"type":"Ready"}': member },
  });
});

test("an item without its key goes by the key's default, beside others that have theirs", () => {
  const nameless = { status: 'True' };
  assert.deepEqual(compareConditions([ready, nameless], [ready, { status: 'False' }]).modified, {
    'f:conditions': { 'k:{"type":""}': { 'f:status': member } },
  });
});
