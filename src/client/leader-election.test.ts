import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../apiserver/server.fixture.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { createClient } from './create-client.ts';
import { findVacancy, runWhileLeading } from './leader-election.ts';
import { TransportError } from './transport/transport.ts';

test('one instance leads at a time; another takes over when it releases the lease or falls silent', async () => {
  await using server = await createTestServer();
  const { api, clock } = server;
  const random = seededRandom(1);
  const leading = new Set<string>();
  let most = 0;
  const start = (identity: string) => {
    const stop = new AbortController();
    const state = { isCut: false, isHung: false };
    const inner = api.localTransport({ name: identity, groups: ['system:masters'] });
    const transport = {
      ...inner,
      send: (request: Parameters<typeof inner.send>[0]) => {
        if (state.isHung) return new Promise<never>(() => undefined);
        return state.isCut ? Promise.reject(new TransportError('cut off')) : inner.send(request);
      },
    };
    const options = { client: createClient(transport), clock, random, logger: silentLogger, lease, identity };
    const done = runWhileLeading(
      options,
      async (signal) => {
        leading.add(identity);
        most = Math.max(most, leading.size);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        leading.delete(identity);
      },
      stop.signal,
    );
    return { stop, state, done };
  };
  const lease = { namespace: 'kube-system', name: 'test' };
  const client = createClient(api.localTransport({ name: 'watcher', groups: ['system:masters'] }));
  const vacancy = () => findVacancy({ client, clock, lease });
  assert.equal(await vacancy(), 'nobody holds its lease');
  const a = start('a');
  await clock.advance(1_000);
  assert.equal(await vacancy(), undefined);
  const b = start('b');
  await clock.advance(60_000);
  assert.deepEqual([...leading], ['a']);
  a.stop.abort(new Error('stopped'));
  await clock.advance(5_000);
  await a.done;
  assert.deepEqual([...leading], ['b']);
  const c = start('c');
  b.state.isCut = true;
  c.state.isCut = true;
  await clock.advance(20_000);
  assert.match((await vacancy()) ?? '', /^its lease has not been renewed since 20/);
  c.state.isCut = false;
  await clock.advance(20_000);
  assert.deepEqual([...leading], ['c']);
  b.state.isCut = false;
  await clock.advance(60_000);
  assert.deepEqual([[...leading], most], [['c'], 1]);
  // A server that accepts requests and answers none is no better than one that cannot be reached.
  c.state.isHung = true;
  await clock.advance(60_000);
  assert.deepEqual([[...leading], most], [['b'], 1]);
  b.stop.abort(new Error('stopped'));
  c.stop.abort(new Error('stopped'));
  await clock.advance(5_000);
  assert.equal(await vacancy(), 'nobody holds its lease');
});

test('the failure of what leads ends the term and reaches the caller', async () => {
  await using server = await createTestServer();
  const { api, clock } = server;
  const random = seededRandom(1);
  const client = createClient(api.localTransport({ name: 'a', groups: ['system:masters'] }));
  const lease = { namespace: 'kube-system', name: 'test' };
  let ended: AbortSignal | undefined;
  const done = runWhileLeading(
    { client, clock, random, logger: silentLogger, lease, identity: 'a' },
    async (signal) => {
      ended = signal;
      await clock.sleep(20_000, signal);
      throw new Error('broken');
    },
    new AbortController().signal,
  );
  const failed = assert.rejects(done, /broken/);
  await clock.advance(40_000);
  await failed;
  assert.equal(ended?.aborted, true);
});

test('a stop that comes while the lease is being taken starts no term, and leaves the lease free', {
  timeout: 20_000,
}, async () => {
  await using server = await createTestServer();
  const { api, clock } = server;
  const inner = api.localTransport({ name: 'a', groups: ['system:masters'] });
  const stop = new AbortController();
  let requests = 0;
  const transport = {
    ...inner,
    async send(request: Parameters<typeof inner.send>[0]) {
      // Who goes on asking without a pause would leave the test's own timeout no turn.
      if (++requests > requestsMax) return await new Promise<never>(() => undefined);
      const answer = await inner.send(request);
      if (request.method === 'POST') stop.abort(new Error('stopped'));
      return answer;
    },
  };
  const requestsMax = 20;
  const lease = { namespace: 'kube-system', name: 'test' };
  const client = createClient(transport);
  let terms = 0;
  await runWhileLeading(
    { client, clock, random: seededRandom(1), logger: silentLogger, lease, identity: 'a' },
    async () => void terms++,
    stop.signal,
  );
  assert.equal(terms, 0);
  assert.equal(await findVacancy({ client, clock, lease }), 'nobody holds its lease');
});
