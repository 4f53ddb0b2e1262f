import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../server.fixture.ts';

const jobs = '/apis/batch/v1/namespaces/default/jobs';
const container = { name: 'c', image: 'i', command: ['true'] };

test('the status of an object without a default that came later is written, and the default with it', async () => {
  await using server = await createTestServer();
  const spec = { template: { spec: { restartPolicy: 'Never', containers: [container] } } };
  const made = await server.ask('POST', jobs, { metadata: { name: 'old' }, spec });
  assert.equal(made.object.spec.manualSelector, false);
  // As a version stored it that did not know this default.
  const { entry } = await server.store.get('/registry/jobs/default/old');
  const stored = JSON.parse(Buffer.from(entry!.value).toString());
  delete stored.spec.manualSelector;
  const value = Buffer.from(JSON.stringify(stored));
  await server.store.update('/registry/jobs/default/old', value, entry!.modRevision);
  const { object: job } = await server.ask('GET', `${jobs}/old`);
  assert.equal(job.spec.manualSelector, undefined);
  const status = { active: 1, ready: 0, terminating: 0, startTime: '2026-01-01T00:00:00Z' };
  const answer = await server.ask('PUT', `${jobs}/old/status`, { ...job, status });
  assert.equal(answer.status, 200, JSON.stringify(answer.object));
  assert.equal(answer.object.status.active, 1);
  assert.equal(answer.object.spec.manualSelector, false);
  assert.equal(answer.object.metadata.generation, job.metadata.generation);
});
