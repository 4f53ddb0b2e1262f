import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from './logger.ts';

test('an error is logged with its causes, and what a message says of its cause already only once', () => {
  const lines: string[] = [];
  const clock = { now: () => 0 };
  const logger = createLogger({ clock, write: (line) => void lines.push(line), component: 'c' });
  const refused = new Error('connect ECONNREFUSED 10.0.0.1:6443');
  logger.warn('w', { error: new Error('no lease', { cause: refused }) });
  logger.warn('w', { error: new Error(`10.0.0.1:6443: ${refused.message}`, { cause: refused }) });
  assert.deepEqual(lines, [
    '1970-01-01T00:00:00.000Z warn c w error="no lease: connect ECONNREFUSED 10.0.0.1:6443"\n',
    '1970-01-01T00:00:00.000Z warn c w error="10.0.0.1:6443: connect ECONNREFUSED 10.0.0.1:6443"\n',
  ]);
});
