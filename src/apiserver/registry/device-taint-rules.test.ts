import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, mergePatch } from '../server.fixture.ts';

const rules = '/apis/resource.k8s.io/v1beta2/devicetaintrules';
const slices = '/apis/resource.k8s.io/v1/resourceslices';
const taint = { key: 'example.com/broken', effect: 'NoSchedule' };

test('a taint knows since when it has had its effect', async () => {
  await using server = await createTestServer();
  const { object: rule } = await server.ask('POST', rules, { metadata: { name: 'r' }, spec: { taint } });
  const { timeAdded } = rule.spec.taint;
  assert.equal(timeAdded, rule.metadata.creationTimestamp);
  const [{ fieldsV1 }] = rule.metadata.managedFields;
  assert.ok(fieldsV1['f:spec']['f:taint']['f:timeAdded'], 'its creator owns the time');
  await server.clock.advance(60_000);
  const patch = (spec: object) => server.ask('PATCH', `${rules}/r`, { spec }, mergePatch);
  const { object: valued } = await patch({ taint: { value: 'v' } });
  assert.equal(valued.spec.taint.timeAdded, timeAdded);
  assert.equal(valued.metadata.generation, 2);
  const { object: evicting } = await patch({ taint: { effect: 'NoExecute' } });
  assert.notEqual(evicting.spec.taint.timeAdded, timeAdded);
  const { object: slice } = await server.ask('POST', slices, {
    metadata: { name: 's' },
    spec: {
      driver: 'd.io',
      pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
      nodeName: 'n',
      devices: [{ name: 'a', taints: [taint] }],
    },
  });
  assert.equal(slice.spec.devices[0].taints[0].timeAdded, slice.metadata.creationTimestamp);
});

test('conditions of a rule are written through its status, and judged there', async () => {
  await using server = await createTestServer();
  const { object: made } = await server.ask('POST', rules, { metadata: { name: 'r' }, spec: { taint } });
  const { resourceVersion: _, ...metadata } = made.metadata;
  const written = (conditions: object[]) =>
    server.ask('PUT', `${rules}/r/status`, {
      ...made,
      metadata,
      spec: { taint: { key: 'other' } },
      status: { conditions },
    });
  const condition = {
    type: 'EvictionInProgress',
    status: 'True',
    reason: 'PodsPendingEviction',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const good = await written([condition]);
  assert.equal(good.status, 200, JSON.stringify(good.object));
  assert.equal(good.object.spec.taint.key, taint.key);
  const bad = await written([{ ...condition, status: 'Maybe' }]);
  assert.match(bad.object.message, /status\.conditions\[0\]\.status: Unsupported value: "Maybe"/);
});
