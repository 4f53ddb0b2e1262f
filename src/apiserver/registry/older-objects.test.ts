import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createListeningServer } from '../http/listener.fixture.ts';
import { createTestServer, type TestServer } from '../server.fixture.ts';

const jobs = '/apis/batch/v1/namespaces/default/jobs';
const container = { name: 'c', image: 'i', command: ['true'] };

/** A Job as a version stored it that did not know one of today's defaults. Gives its newest version. */
async function storeOldJob(server: TestServer): Promise<string> {
  const spec = { template: { spec: { restartPolicy: 'Never', containers: [container] } } };
  const made = await server.ask('POST', jobs, { metadata: { name: 'old' }, spec });
  assert.equal(made.object.spec.manualSelector, false);
  const { entry } = await server.store.get('/registry/jobs/default/old');
  const stored = JSON.parse(Buffer.from(entry!.value).toString());
  delete stored.spec.manualSelector;
  const value = Buffer.from(JSON.stringify(stored));
  const written = await server.store.update('/registry/jobs/default/old', value, entry!.modRevision);
  assert.ok(written.ok);
  return made.object.metadata.resourceVersion;
}

test('an object without a default that came later is read with it, by every way of reading', async () => {
  await using listening = await createListeningServer();
  const before = await storeOldJob(listening.server);
  const send = await listening.as('admin', ['system:masters']);
  const read = async (path: string) => JSON.parse((await send('GET', path)).body.toString());
  const watched = await read(`${jobs}?watch=1&timeoutSeconds=1&resourceVersion=${before}`);
  assert.deepEqual([watched.type, watched.object.spec.manualSelector], ['MODIFIED', false]);
  assert.equal((await read(jobs)).items[0].spec.manualSelector, false);
  assert.equal((await read(`${jobs}/old`)).spec.manualSelector, false);
  const { object } = await listening.server.ask('GET', `${jobs}/old`);
  assert.equal(object.spec.manualSelector, false);
  assert.equal(object.metadata.resourceVersion, watched.object.metadata.resourceVersion);
});

test('the status of an object without a default that came later is written, and the default with it', async () => {
  await using server = await createTestServer();
  await storeOldJob(server);
  const { object: job } = await server.ask('GET', `${jobs}/old`);
  const status = { active: 1, ready: 0, terminating: 0, startTime: '2026-01-01T00:00:00Z' };
  const answer = await server.ask('PUT', `${jobs}/old/status`, { ...job, status });
  assert.equal(answer.status, 200, JSON.stringify(answer.object));
  assert.equal(answer.object.status.active, 1);
  assert.equal(answer.object.spec.manualSelector, false);
  assert.equal(answer.object.metadata.generation, job.metadata.generation);
});

test('a default that came later is stored by the next write, though that changes nothing else, and then no more', async () => {
  await using server = await createTestServer();
  await storeOldJob(server);
  const write = async () => {
    const { object: job } = await server.ask('GET', `${jobs}/old`);
    return (await server.ask('PUT', `${jobs}/old`, job)).object.metadata.resourceVersion;
  };
  const { object: old } = await server.ask('GET', `${jobs}/old`);
  const written = await write();
  assert.notEqual(written, old.metadata.resourceVersion);
  const { entry } = await server.store.get('/registry/jobs/default/old');
  assert.equal(JSON.parse(Buffer.from(entry!.value).toString()).spec.manualSelector, false);
  assert.equal(await write(), written);
});
