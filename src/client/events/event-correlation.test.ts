import assert from 'node:assert/strict';
import { test } from 'node:test';
import { correlateEvent, EventHistory } from './event-correlation.ts';
import type { EventType } from './event-recorder.ts';

const about = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'a', uid: 'a' };
let names = 0;
const tellAs = (type: EventType, history: EventHistory, message: string, nowMs = 0) =>
  correlateEvent(
    history,
    { component: 'c', about, type, reason: 'Failed', message },
    nowMs,
    () => `name-${names++}`,
  );
const tell = (history: EventHistory, message: string, nowMs = 0) =>
  tellAs('Warning', history, message, nowMs);

test('the same event again counts one more', () => {
  const history = new EventHistory();
  const first = tell(history, 'x');
  const second = tell(history, 'x', 1_000);
  assert.equal(second?.name, first?.name);
  assert.deepEqual([second?.count, second?.firstMs, second?.lastMs], [2, 0, 1_000]);
});

test('ten different messages of one kind are combined from then on', () => {
  const history = new EventHistory();
  const records = Array.from({ length: 12 }, (_, index) => tell(history, `message ${index}`));
  assert.equal(records[8]?.message, 'message 8');
  assert.equal(records[11]?.message, '(combined from similar events): message 11');
  assert.equal(records[11]?.name, records[10]?.name);
});

test('an object has 25 events of a type, then one in five minutes', () => {
  const history = new EventHistory();
  const written = Array.from({ length: 40 }, () => tell(history, 'x')).filter(Boolean).length;
  assert.equal(written, 25);
  assert.equal(tell(history, 'x', 60_000), undefined);
  assert.ok(tell(history, 'x', 301_000));
});

test('an object that has had too many events still gets its first warning', () => {
  const history = new EventHistory();
  for (let count = 0; count < 30; count++) tellAs('Normal', history, 'x');
  assert.equal(tellAs('Normal', history, 'y'), undefined);
  assert.ok(tellAs('Warning', history, 'z'));
});

test('of very many kinds of events about an object the oldest are forgotten', () => {
  const history = new EventHistory();
  let nowMs = 0;
  const tellOf = (reason: string) => {
    nowMs += 300_000;
    const event = { component: 'c', about, type: 'Normal', reason, message: 'x' } as const;
    return correlateEvent(history, event, nowMs, () => `name-${names++}`);
  };
  for (let number = 0; number < 200; number++) tellOf(`reason-${number}`);
  assert.equal(tellOf('reason-199')?.count, 2);
  assert.equal(tellOf('reason-0')?.count, 1);
});
