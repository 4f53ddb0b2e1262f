import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ComponentStatus } from '../../api/resources.gen.ts';
import { createTestServer } from '../server.fixture.ts';

const path = '/api/v1/componentstatuses';

test('component statuses show the health of the control plane at the time of the request', async () => {
  await using server = await createTestServer();
  let problem: string | undefined;
  server.api.components.add({ name: 'scheduler', check: () => problem });
  const listed = async (query = '') => {
    const { object } = await server.ask('GET', path + query);
    assert.equal(object.kind, 'ComponentStatusList');
    return object.items.map(({ metadata, conditions }: ComponentStatus) => {
      const [{ type, status, message } = {}] = conditions ?? [];
      return [metadata.name, type, status, message];
    });
  };
  const etcd = ['etcd-0', 'Healthy', 'True', 'ok'];
  assert.deepEqual(await listed(), [etcd, ['scheduler', 'Healthy', 'True', 'ok']]);
  problem = 'it does not run';
  assert.deepEqual(await listed(), [etcd, ['scheduler', 'Healthy', 'False', 'it does not run']]);
  assert.deepEqual(await listed('?fieldSelector=metadata.name%3Detcd-0'), [etcd]);
  assert.deepEqual(await listed('?labelSelector=a%3Db'), []);

  const one = await server.ask('GET', `${path}/scheduler`);
  assert.equal(one.object.kind, 'ComponentStatus');
  assert.equal(one.object.conditions[0].status, 'False');
  const none = await server.ask('GET', `${path}/kubelet`);
  assert.equal(none.status, 404);
  assert.equal(none.object.message, 'componentstatus "kubelet" not found');
  assert.equal((await server.ask('POST', path, { metadata: { name: 'x' } })).status, 405);
});
