import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readyNodes } from './readiness.ts';

test('a node that was ready in an earlier life is not ready in this one until it says so', () => {
  const node = (name: string, status: string, lastHeartbeatTime: string) => ({
    metadata: { name },
    status: { conditions: [{ type: 'Ready', status, lastHeartbeatTime }] },
  });
  const list = JSON.stringify({
    items: [
      node('old', 'True', '2026-01-01T00:00:00Z'),
      node('new', 'True', '2026-01-01T00:10:00Z'),
      node('bad', 'False', '2026-01-01T00:10:00Z'),
      { metadata: { name: 'bare' } },
    ],
  });
  assert.deepEqual([...readyNodes(list)], ['old', 'new']);
  const ms = Date.parse('2026-01-01T00:05:00Z');
  assert.deepEqual([...readyNodes(list, { ms, mustBeFresh: () => true })], ['new']);
  assert.deepEqual([...readyNodes(list, { ms, mustBeFresh: (name) => name === 'new' })], ['old', 'new']);
});
