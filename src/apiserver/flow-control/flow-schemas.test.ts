import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowSchema, PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import { parsePath } from '../http/request/path.ts';
import { createTestServer } from '../server.fixture.ts';
import { createViewReader } from '../view-reader.ts';
import { FlowSchemas } from './flow-schemas.ts';

test("a request belongs to upstream's schema for who asks what", async () => {
  await using server = await createTestServer();
  const objects = createViewReader(server.api.registry.kinds);
  const schemas = new FlowSchemas(objects);
  const schemaOf = (name: string, groups: string[], path: string, method = 'GET') => {
    const all = [...groups, 'system:authenticated'];
    const flow = schemas.flowOf({ name, groups: all }, parsePath(method, path, new URLSearchParams()));
    return flow?.schema.metadata.name;
  };
  const pods = '/api/v1/namespaces/a/pods';
  const lease = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1';
  const account = ['system:serviceaccounts'];
  assert.deepEqual(
    [
      schemaOf('admin', ['system:masters'], pods),
      schemaOf('jane', [], '/livez'),
      schemaOf('system:node:n1', ['system:nodes'], pods),
      schemaOf('system:node:n1', ['system:nodes'], '/api/v1/nodes/n1/status', 'PATCH'),
      schemaOf('system:node:n1', ['system:nodes'], lease, 'PUT'),
      schemaOf('system:kube-scheduler', [], lease, 'PUT'),
      schemaOf('system:kube-scheduler', [], pods),
      schemaOf('system:serviceaccount:kube-system:dns', account, pods),
      schemaOf('system:serviceaccount:a:default', account, pods),
      schemaOf('jane', [], pods),
    ],
    [
      'exempt',
      'probes',
      'system-nodes',
      'system-node-high',
      'system-node-high',
      'system-leader-election',
      'kube-scheduler',
      'kube-system-service-accounts',
      'service-accounts',
      'global-default',
    ],
  );
});

test('the status of a schema shows whether its priority level exists, and follows it', async () => {
  await using server = await createTestServer();
  const url = '/apis/flowcontrol.apiserver.k8s.io/v1';
  const dangling = async (name: string) => {
    const { object } = await server.ask('GET', `${url}/flowschemas/${name}`);
    const { status, reason, message } = object.status.conditions[0];
    return [status, reason, message];
  };
  const references = 'This FlowSchema references the PriorityLevelConfiguration object named';
  assert.deepEqual(await dangling('probes'), ['False', 'Found', `${references} "exempt" and it exists`]);
  const changed = new Promise<void>((resolve) => {
    const cache = server.api.registry.kinds.findStored(FlowSchema.group, FlowSchema.plural)!.cache!;
    const stop = cache.listen(([event]) => {
      if (event!.object.key !== 'service-accounts') return;
      stop();
      resolve();
    });
  });
  const level = PriorityLevelConfiguration.plural;
  assert.equal((await server.ask('DELETE', `${url}/${level}/workload-low`)).status, 200);
  await changed;
  assert.deepEqual(await dangling('service-accounts'), [
    'True',
    'NotFound',
    `${references} "workload-low" but there is no such object`,
  ]);
});
