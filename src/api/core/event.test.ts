import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '../types/core-v1.gen.ts';
import { eventKind } from './event.ts';

const nowMs = Date.parse('2020-01-01T01:00:00Z');

function event(more: object): Event {
  const object = {
    metadata: { name: 'e', namespace: 'n' },
    involvedObject: { kind: 'Pod', namespace: 'n', name: 'p' },
    ...more,
  } as Event;
  eventKind.defaults!(object);
  return object;
}

const fields = (object: Event, apiVersion: string) =>
  [...eventKind.validate(object, { subresource: '', apiVersion })].map(({ field }) => field);

test('an event stands in the namespace of what it is about', () => {
  assert.deepEqual(fields(event({}), 'v1'), []);
  assert.deepEqual(fields(event({ involvedObject: { kind: 'Pod', namespace: 'm' } }), 'v1'), [
    'involvedObject.namespace',
  ]);
  assert.deepEqual(fields(event({ involvedObject: { kind: 'Node' } }), 'v1'), ['involvedObject.namespace']);
  assert.deepEqual(
    fields(event({ metadata: { namespace: 'default' }, involvedObject: { kind: 'Node' } }), 'v1'),
    [],
  );
});

test('a new-style event says who reports what, under the names of its version', () => {
  const bare = event({ eventTime: '2020-01-01T00:00:00.000000Z' });
  assert.deepEqual(
    [...new Set(fields(bare, 'v1'))],
    ['reportingComponent', 'reportingInstance', 'action', 'reason'],
  );
  assert.deepEqual(fields(bare, 'events.k8s.io/v1')[0], 'reportingController');
  assert.deepEqual(fields(event({}), 'events.k8s.io/v1'), ['eventTime', 'type']);
});

test('the table has when an event was last seen, and its object', () => {
  const cells = (object: Event) =>
    Object.fromEntries(eventKind.columns.map((column) => [column.name, column.cell(object, { nowMs })]));
  const old = cells(
    event({
      firstTimestamp: '2020-01-01T00:30:00Z',
      lastTimestamp: '2020-01-01T00:59:00Z',
      count: 3,
      source: { component: 'kubelet', host: 'h' },
    }),
  );
  assert.deepEqual(
    [old['Last Seen'], old['First Seen'], old.Count, old.Object, old.Source],
    ['60s', '30m', 3, 'pod/p', 'kubelet, h'],
  );
  const series = cells(
    event({
      eventTime: '2020-01-01T00:00:00Z',
      series: { count: 7, lastObservedTime: '2020-01-01T00:58:00Z' },
    }),
  );
  assert.deepEqual([series['Last Seen'], series['First Seen'], series.Count], ['2m', '60m', 7]);
});

test('through the newer group nothing of an event changes but its series', () => {
  const before = event({
    reason: 'A',
    series: { count: 2, lastObservedTime: '2020-01-01T00:00:00.000000Z' },
  });
  const after = { ...before, reason: 'B', series: { ...before.series!, count: 3 } };
  const fieldsChanged = (apiVersion: string) =>
    [...eventKind.validateUpdate!(after, before, { subresource: '', apiVersion })].map(({ field }) => field);
  // Upstream checks the reason twice.
  assert.deepEqual(fieldsChanged('events.k8s.io/v1'), ['reason', 'reason']);
  assert.deepEqual(fieldsChanged('v1'), []);
});
