import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../base/json-object.ts';
import { seededRandom } from '../../../base/random.ts';
import { managedFieldsText } from './field-owners.ts';
import { keepTimesWhenUnchanged, trackUpdate } from './managed-fields.ts';

const schema = 'io.k8s.api.core.v1.Pod';

interface Write {
  manager: string;
  subresource: string;
  time: string;
  labels: Record<string, string>;
  condition: string;
}

function podAfter(write: Write): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default', labels: write.labels },
    spec: { containers: [{ name: 'c', image: 'i' }] },
    status: { conditions: [{ type: write.condition, status: 'True' }] },
  };
}

function tracked(live: JsonObject | undefined, write: Write): JsonObject {
  const next = podAfter(write);
  const before = (live?.metadata as JsonObject | undefined)?.managedFields;
  if (before) (next.metadata as JsonObject).managedFields = before;
  const { manager, subresource, time } = write;
  trackUpdate(live, next, { schema, apiVersion: 'v1', subresource, manager, time });
  return next;
}

const managedFieldsOf = (object: JsonObject) => (object.metadata as JsonObject).managedFields as JsonObject[];

test('the remembered fields of an update equal the computed ones', () => {
  const random = seededRandom(5);
  const oneOf = <T>(...choices: T[]): T => choices[Math.floor(random.next() * choices.length)]!;
  const writeOf = (): Write => ({
    manager: oneOf('a', 'b'),
    subresource: oneOf('', 'status'),
    time: `2026-01-01T00:00:0${oneOf(0, 1)}Z`,
    labels: oneOf<Record<string, string>>({}, { x: '1' }, { x: '2', y: '1' }),
    condition: oneOf('Ready', 'Initialized'),
  });
  let shared = 0;
  for (let object = 0; object < 300; object++) {
    let remembering: JsonObject | undefined;
    let anew: JsonObject | undefined;
    for (let step = 0; step < 6; step++) {
      const write = writeOf();
      const known = remembering && managedFieldsOf(remembering);
      remembering = tracked(remembering, write);
      // A copy has lost all that is remembered, and its times are those of no list that was written.
      const copy = anew && (JSON.parse(JSON.stringify(anew).replaceAll('2026-', '2025-')) as JsonObject);
      anew = tracked(copy, { ...write, time: write.time.replace('2026', '2025') });
      const expected = JSON.parse(JSON.stringify(managedFieldsOf(anew)).replaceAll('2025-', '2026-'));
      assert.deepEqual(managedFieldsOf(remembering), expected);
      assert.equal(managedFieldsText(managedFieldsOf(remembering)), JSON.stringify(expected));
      if (known && known === managedFieldsOf(remembering)) shared++;
    }
  }
  assert.ok(shared > 0);
});

test('objects that were created alike share their entries, which cannot be changed', () => {
  const write: Write = {
    manager: 'm',
    subresource: '',
    time: '2026-02-02T00:00:00Z',
    labels: { a: 'b' },
    condition: 'Ready',
  };
  const [one, other] = [tracked(undefined, write), tracked(undefined, write)];
  assert.equal(managedFieldsOf(one), managedFieldsOf(other));
  assert.throws(() => managedFieldsOf(one).push({}), TypeError);
  assert.throws(() => {
    managedFieldsOf(one)[0]!.manager = 'x';
  }, TypeError);
  // Another manager's write leaves the list of those that share it alone.
  const text = JSON.stringify(managedFieldsOf(other));
  tracked(one, { ...write, manager: 'n', labels: { a: 'c' } });
  assert.equal(JSON.stringify(managedFieldsOf(other)), text);
});

test('entries of very many managers are compared at once, wherever they stand', () => {
  const entries = (time: string) =>
    Array.from({ length: 20_000 }, (_, index) => ({
      manager: `m${index}`,
      operation: 'Apply',
      apiVersion: 'v1',
      time,
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': {} },
    }));
  const objectWith = (managedFields: JsonObject[]): JsonObject => ({
    metadata: { name: 'a', managedFields },
  });
  const live = objectWith(entries('2026-01-01T00:00:00Z'));
  const next = objectWith(entries('2026-01-02T00:00:00Z').toReversed());
  const before = process.cpuUsage();
  keepTimesWhenUnchanged(live, next);
  assert.ok(process.cpuUsage(before).user / 1000 < 2000);
  assert.equal(managedFieldsOf(next), managedFieldsOf(live));
  const another = objectWith(entries('2026-01-02T00:00:00Z').with(5, { manager: 'other' } as never));
  keepTimesWhenUnchanged(live, another);
  assert.notEqual(managedFieldsOf(another), managedFieldsOf(live));
});

test('very many updaters are put together at once, and what they own is owned still', () => {
  const count = 20_000;
  const entries = Array.from({ length: count }, (_, index) => ({
    manager: `m${index}`,
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': { [`f:k${index}`]: {} } },
  }));
  const data = Object.fromEntries(entries.map((_, index) => [`k${index}`, 'v']));
  const withEntries = (managedFields: JsonObject[]): JsonObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', managedFields },
    data,
  });
  const next = withEntries(entries);
  const before = process.cpuUsage();
  trackUpdate(withEntries(entries.slice(0, 1)), next, {
    schema: 'io.k8s.api.core.v1.ConfigMap',
    apiVersion: 'v1',
    subresource: '',
    manager: 'm0',
    time: '2026-01-02T00:00:00Z',
  });
  assert.ok(process.cpuUsage(before).user / 1000 < 4000);
  const after = managedFieldsOf(next);
  assert.equal(after.length, 10);
  const old = after.find(({ manager }) => manager === 'ancient-changes') as {
    fieldsV1: { 'f:data': object };
  };
  const kept = after.flatMap(({ fieldsV1 }) =>
    Object.keys((fieldsV1 as { 'f:data'?: object })['f:data'] ?? {}),
  );
  assert.equal(new Set(kept).size, count);
  assert.ok(Object.keys(old.fieldsV1['f:data']).length >= count - 10);
});
