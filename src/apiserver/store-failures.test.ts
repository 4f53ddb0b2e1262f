import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../base/logger.ts';
import { createMemoryStore } from '../storage/memory.ts';
import { StoreUnavailableError } from '../storage/store.ts';
import { createTestServer } from './server.fixture.ts';

test('the log says why the storage does not answer, once for all requests that fail meanwhile', async () => {
  const store = createMemoryStore();
  const lines: string[] = [];
  const logger = createLogger({ clock: { now: () => 0 }, write: (line) => lines.push(line) });
  await using server = await createTestServer({ store, logger });
  const write = (name: string) =>
    server.ask('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name } });
  const told = () => lines.filter((line) => / error \S+ the storage does not answer error=/.test(line));

  const { create } = store;
  store.create = async () => {
    throw new StoreUnavailableError('storage: database or disk is full');
  };
  for (const name of ['a', 'b', 'c']) {
    const { status, object } = await write(name);
    assert.equal(status, 503);
    assert.match(object.message, /please try again/);
  }
  assert.equal(told().length, 1, told().join(''));
  assert.match(told()[0]!, / error .*database or disk is full/);

  await server.clock.advance(10_000);
  await write('d');
  assert.equal(told().length, 2);
  assert.match(told()[1]!, /alike=\d+/);
  store.create = create;
  assert.equal((await write('e')).status, 201);
});
