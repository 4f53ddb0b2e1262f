import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice } from '../../../api/resources.gen.ts';
import { planSlices } from './endpointslice-plan.ts';

const owner = { apiVersion: 'v1', kind: 'Service', name: 's', uid: 's' };
const identity = { name: 's', namespace: 'default', manager: 'm', labels: {}, owner };
const ports = [{ name: '', port: 80, protocol: 'TCP' as const }];
const endpoint = (index: number) => ({ addresses: [`10.0.0.${index}`], conditions: { ready: true } });
const many = (count: number) => Array.from({ length: count }, (_, index) => endpoint(index));
const plan = (present: EndpointSlice[], count: number, keepsPlaceholder = true) =>
  planSlices(
    present,
    [{ addressType: 'IPv4', groups: count > 0 ? [{ ports, endpoints: many(count) }] : [] }],
    { ...identity, keepsPlaceholder },
  );
const slice = (name: string, count: number): EndpointSlice => {
  const [draft] = plan([], count).create;
  return {
    ...draft!,
    metadata: { ...draft!.metadata, name, uid: name, resourceVersion: '1' },
  } as EndpointSlice;
};

test('a slice holds at most a hundred endpoints', () => {
  assert.deepEqual(
    plan([], 250).create.map((one) => one.endpoints?.length),
    [100, 100, 50],
  );
});

test('a Service without endpoints has one empty slice', () => {
  const [empty] = plan([], 0).create;
  assert.deepEqual([empty?.endpoints, empty?.ports], [[], undefined]);
  assert.deepEqual(plan([], 0, false).create, []);
});

test('slices that are up to date are left alone', () => {
  assert.deepEqual(plan([slice('a', 3)], 3), { create: [], update: [], remove: [] });
});

test('new endpoints go where there is room', () => {
  const { create, update } = plan([slice('a', 3)], 5);
  assert.deepEqual([create.length, update.map((one) => one.endpoints?.length)], [0, [5]]);
});

test('an empty slice becomes a full one, and back, under the same name', () => {
  const filled = plan([slice('a', 0)], 2);
  assert.deepEqual(
    [filled.create.length, filled.remove.length, filled.update[0]?.metadata.name],
    [0, 0, 'a'],
  );
  const emptied = plan([slice('a', 2)], 0);
  assert.deepEqual(
    [emptied.create.length, emptied.remove.length, emptied.update[0]?.metadata.name],
    [0, 0, 'a'],
  );
});
