import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import { StatusError } from '../api/status.ts';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { createClient } from './create-client.ts';
import { createEventRecorder } from './event-recorder.ts';
import { TransportError, type TransportRequest, type TransportResponse } from './transport.ts';

/** Tells of one pod to a server that does with its first request what `first` says, and gives the names it then has. */
async function namesAfter(first: 'lose the answer' | 'find the name taken'): Promise<string[]> {
  const names = new Set<string>();
  let isFirst = true;
  const send = async ({ method, path, body }: TransportRequest): Promise<TransportResponse> => {
    assert.equal(method, 'POST', path);
    const event = body as KubeObject;
    const { name } = event.metadata;
    const fault = isFirst ? first : undefined;
    isFirst = false;
    if (fault === 'find the name taken') names.add(name);
    if (names.has(name)) {
      const { status } = new StatusError(409, 'AlreadyExists', `events "${name}" already exists`);
      return { status: 409, object: status };
    }
    names.add(name);
    if (fault === 'lose the answer') throw new TransportError('the connection ended');
    return { status: 201, object: event };
  };
  const recorder = createEventRecorder({
    client: createClient({ send, close: () => undefined }),
    clock: systemClock,
    logger: silentLogger,
    component: 'test',
    signal: new AbortController().signal,
  });
  recorder.event(
    { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'a', uid: 'a' },
    'Normal',
    'Created',
    'made',
  );
  await recorder.flushed();
  return [...names];
}

test('an event whose answer was lost is written once', async () => {
  assert.equal((await namesAfter('lose the answer')).length, 1);
});

test('an event whose name another has gets another name', async () => {
  assert.equal((await namesAfter('find the name taken')).length, 2);
});
