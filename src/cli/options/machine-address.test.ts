import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenHosts } from './machine-address.ts';

test('a server listens once on each of its addresses, also when its machine has no other than loopback', () => {
  assert.deepEqual(listenHosts('192.0.2.7'), ['127.0.0.1', '192.0.2.7']);
  assert.deepEqual(listenHosts('127.0.0.1'), ['127.0.0.1']);
});
