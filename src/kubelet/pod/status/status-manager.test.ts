import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { until } from '../../../base/async/until.fixture.ts';
import { silentLogger } from '../../../base/logger.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import type { Client } from '../../../client/client.ts';
import { testPod } from '../../pod.fixture.ts';
import { StatusManager, statusPatch, writesAtOnce } from './status-manager.ts';

test('an unchanged status needs no patch, and absent, null and empty are alike', () => {
  assert.equal(statusPatch({ phase: 'Running', message: '' }, { phase: 'Running' }), undefined);
});

test('a patch holds what changed, nulls what went, and leaves the conditions of others alone', () => {
  const patch = statusPatch(
    {
      phase: 'Pending',
      message: 'old',
      conditions: [
        { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'm' },
        { type: 'example.com/gate', status: 'True' },
      ],
    },
    { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  );
  assert.deepEqual(patch, {
    phase: 'Running',
    message: null,
    conditions: [{ type: 'Ready', status: 'True', reason: null, message: null }],
  });
});

test('an address that went is deleted from the merged list', () => {
  const patch = statusPatch({ podIPs: [{ ip: '10.0.0.1' }] }, { podIPs: [{ ip: '10.0.0.2' }] });
  assert.deepEqual(patch, { podIPs: [{ ip: '10.0.0.2' }, { ip: '10.0.0.1', $patch: 'delete' }] });
});

test('amounts that are no longer reported are removed from the server, which merges by name', () => {
  const old = {
    resources: { requests: { cpu: '1', 'example.org/one': '2' } },
    allocatedResources: { cpu: '1' },
  };
  assert.deepEqual(statusPatch(old, { resources: { requests: { cpu: '1' } } }), {
    resources: { $patch: 'replace', requests: { cpu: '1' } },
    allocatedResources: null,
  });
  assert.deepEqual(statusPatch({}, { allocatedResources: { cpu: '1' } }), {
    allocatedResources: { cpu: '1' },
  });
});

test('a status that another client changes meanwhile is written once, delays no other, and is reported again', async () => {
  const sent: unknown[] = [];
  const theirs = { ...testPod(), status: { message: 'theirs' } };
  const client = sparse<Client>({
    patch: (_type: unknown, _at: unknown, patch: { status: object }) => {
      sent.push(patch.status);
      return Promise.resolve(theirs);
    },
  });
  const { signal } = new AbortController();
  const counts = { containerEnded: () => undefined, statusWritten: () => undefined };
  const clock = new VirtualClock();
  const manager = new StatusManager({ client, clock, logger: silentLogger, signal, counts });
  const pod = testPod();
  manager.set(pod, { message: 'ours' });
  await manager.flushed(pod.metadata.uid);
  manager.noteServerStatus(theirs);
  await manager.flushed(pod.metadata.uid);
  assert.deepEqual(sent, [{ message: 'ours' }]);
  manager.set(pod, { message: 'ours', phase: 'Running' });
  await manager.flushed(pod.metadata.uid);
  assert.deepEqual(sent.at(-1), { message: 'ours', phase: 'Running' });
});

test('while a write is under way newer wishes wait, and only the newest is written', async () => {
  const clock = new VirtualClock();
  const sent: unknown[] = [];
  let answer: (() => void) | undefined;
  const client = sparse<Client>({
    patch: (_type: unknown, _at: unknown, patch: { status: object }) => {
      sent.push(patch.status);
      return new Promise((resolve) => {
        answer = () => resolve({ ...testPod(), status: Object.assign({}, ...sent) });
      });
    },
  });
  const { signal } = new AbortController();
  const took: number[] = [];
  const counts = {
    containerEnded: () => undefined,
    statusWritten: (seconds: number) => void took.push(seconds),
  };
  const manager = new StatusManager({ client, clock, logger: silentLogger, signal, counts });
  const pod = testPod();
  manager.set(pod, { message: 'one' });
  manager.set(pod, { message: 'two' });
  manager.set(pod, { message: 'three' });
  await clock.advance(2000);
  answer?.();
  await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(1000);
  assert.deepEqual(took, [], 'what is wanted is not written yet');
  answer?.();
  await manager.flushed(pod.metadata.uid);
  assert.deepEqual(sent, [{ message: 'one' }, { message: 'three' }]);
  assert.deepEqual(took, [3]);
});

test('a few writes are under way at a time, a pod that waits for its turn writes its newest status, and a retry holds no other up', async () => {
  const clock = new VirtualClock();
  const sent: string[] = [];
  const answers: PromiseWithResolvers<Pod>[] = [];
  const client = sparse<Client>({
    patch: (_type: unknown, { name }: { name: string }, patch: { status: core.PodStatus }) => {
      sent.push(`${name} ${patch.status.message}`);
      answers.push(Promise.withResolvers<Pod>());
      return answers.at(-1)!.promise;
    },
  });
  const { signal } = new AbortController();
  const counts = { containerEnded: () => undefined, statusWritten: () => undefined };
  const manager = new StatusManager({ client, clock, logger: silentLogger, signal, counts });
  const named = (name: string): Pod => ({
    ...testPod(),
    metadata: { ...testPod().metadata, name, uid: name },
  });
  const first = Array.from({ length: writesAtOnce }, (_, index) => named(`a${index}`));
  const waiting = named('b');
  for (const pod of first) manager.set(pod, { message: 'one' });
  manager.set(waiting, { message: 'one' });
  manager.set(waiting, { message: 'two' });
  const sentFirst = first.map(({ metadata }) => `${metadata.name} one`);
  assert.deepEqual(sent, sentFirst);
  answers[0]!.reject(new Error('no connection'));
  await until(() => sent.length === writesAtOnce + 1);
  answers[writesAtOnce]!.resolve({ ...waiting, status: { message: 'two' } });
  await manager.flushed('b');
  await clock.advance(100);
  await until(() => sent.length === writesAtOnce + 2);
  answers[writesAtOnce + 1]!.resolve({ ...first[0]!, status: { message: 'one' } });
  await manager.flushed('a0');
  assert.deepEqual(sent, [...sentFirst, 'b two', 'a0 one']);
});

test('the end of a container counts once, with the status that is the first to tell of it', () => {
  const ends: string[] = [];
  const manager = new StatusManager({
    client: sparse<Client>({ patch: () => new Promise(() => undefined) }),
    clock: new VirtualClock(),
    logger: silentLogger,
    signal: new AbortController().signal,
    counts: {
      containerEnded: (_pod, name, { exitCode }) => void ends.push(`${name} ${exitCode}`),
      statusWritten: () => undefined,
    },
  });
  const ended = (name: string, exitCode: number) =>
    ({ name, state: { terminated: { exitCode } } }) as core.ContainerStatus;
  const pod = testPod({}, { initContainerStatuses: [ended('before', 0)] });
  const status = {
    initContainerStatuses: [ended('before', 0), ended('i', 1)],
    containerStatuses: [ended('c', 139)],
  };
  manager.set(pod, status);
  manager.set(pod, { ...status, message: 'more' });
  assert.deepEqual(ends, ['i 1', 'c 139']);
});
