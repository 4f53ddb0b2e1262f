import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { APIService } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { createTestServer, type TestServer } from '../server.fixture.ts';
import { planLocalServices, type WantedService } from './local-services.ts';

const label = 'kube-aggregator.kubernetes.io/automanaged';
const specOf = (versionPriority = 100) => ({
  group: 'a.io',
  version: 'v1',
  groupPriorityMinimum: 1000,
  versionPriority,
});
const name = 'v1.a.io';

/** What is done about one that is wanted in one way and present in another. */
function stepFor(
  wanted: WantedService['management'] | undefined,
  present: 'onstart' | 'true' | 'unmanaged' | undefined,
  { priority = 100, atStart = true, synced = false } = {},
): string {
  const service = {
    metadata: { name, labels: present === 'unmanaged' ? {} : { [label]: present } },
    spec: specOf(priority),
  } as unknown as APIService;
  const steps = planLocalServices({
    wanted: new Map(wanted ? [[name, { management: wanted, spec: specOf() }]] : []),
    present: new Map(present ? [[name, service]] : []),
    atStart: new Set(atStart ? [name] : []),
    synced: new Set(synced ? [name] : []),
  });
  return steps.map(({ type }) => type).join();
}

test('an APIService is made, mended and removed as its management says', () => {
  const changed = { priority: 5 };
  const rows: [...Parameters<typeof stepFor>, string][] = [
    [undefined, undefined, {}, ''],
    ['onstart', undefined, {}, 'create'],
    ['onstart', undefined, { synced: true }, ''],
    ['true', undefined, { synced: true }, 'create'],
    ['true', 'unmanaged', changed, ''],
    ['onstart', 'unmanaged', changed, ''],
    [undefined, 'unmanaged', {}, ''],
    [undefined, 'true', { synced: true }, 'delete'],
    [undefined, 'onstart', {}, 'delete'],
    [undefined, 'onstart', { synced: true }, ''],
    [undefined, 'onstart', { atStart: false }, ''],
    ['true', 'true', {}, ''],
    ['true', 'true', { ...changed, synced: true }, 'update'],
    ['onstart', 'onstart', changed, 'update'],
    ['onstart', 'onstart', { ...changed, synced: true }, ''],
    ['onstart', 'onstart', { ...changed, atStart: false }, ''],
    ['onstart', 'true', changed, 'update'],
  ];
  for (const [wanted, present, more, step] of rows)
    assert.equal(stepFor(wanted, present, more), step, JSON.stringify([wanted, present, more]));
});

const services = '/apis/apiregistration.k8s.io/v1/apiservices';

async function eventually(
  server: TestServer,
  path: string,
  isGood: (answer: { status: number; object: APIService }) => boolean,
) {
  for (;;) {
    const answer = await server.ask('GET', path);
    if (isGood(answer)) return answer.object;
    await server.clock.advance(100);
    await systemClock.sleep(1);
  }
}

test('those of custom resources come back when they are deleted or changed, those of own kinds do not', async () => {
  await using server = await createTestServer();
  await server.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'things.a.io' },
    spec: {
      group: 'a.io',
      scope: 'Cluster',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
    },
  });
  const made = await eventually(server, `${services}/${name}`, ({ status }) => status === 200);
  assert.equal(made.metadata.labels?.[label], 'true');
  const own = await eventually(server, `${services}/v1.apps`, ({ status }) => status === 200);
  assert.equal(own.metadata.labels?.[label], 'onstart');
  await server.ask('DELETE', `${services}/v1.apps`);
  await server.ask('DELETE', `${services}/${name}`);
  const again = await eventually(
    server,
    `${services}/${name}`,
    ({ status, object }) => status === 200 && object.metadata.uid !== made.metadata.uid,
  );
  const changed = { ...again, spec: { ...again.spec, versionPriority: 7 } };
  assert.equal((await server.ask('PUT', `${services}/${name}`, changed)).status, 200);
  await eventually(server, `${services}/${name}`, ({ object }) => object.spec.versionPriority === 100);
  assert.equal((await server.ask('GET', `${services}/v1.apps`)).status, 404);
});
