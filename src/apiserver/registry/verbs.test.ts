import assert from 'node:assert/strict';
import { test } from 'node:test';
import { badRequest } from '../../api/status.ts';
import { createListeningServer } from '../http/listener.fixture.ts';
import {
  applyPatchType,
  configMap,
  configMaps,
  createTestServer,
  jsonPatch,
  mergePatch,
} from '../server.fixture.ts';

test('a create fills in what the server owns, and a get shows the same', async () => {
  await using server = await createTestServer();
  const created = await server.ask('POST', configMaps, configMap('a', { x: '1' }));
  assert.equal(created.status, 201);
  const { metadata } = created.object;
  assert.match(metadata.uid, /^[0-9a-f-]{36}$/);
  assert.equal(metadata.creationTimestamp, '2026-01-01T00:00:00Z');
  assert.equal(metadata.namespace, 'default');
  const got = await server.ask('GET', `${configMaps}/a`);
  assert.deepEqual(got.object, created.object);
});

test('a name that is taken is a conflict, and in a namespace that is not there nothing is made', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('a'));
  const again = await server.ask('POST', configMaps, configMap('a'));
  assert.equal(again.object.message, 'configmaps "a" already exists');
  assert.equal(again.object.reason, 'AlreadyExists');
  const nowhere = await server.ask('POST', '/api/v1/namespaces/none/configmaps', configMap('a'));
  assert.equal(nowhere.object.message, 'namespaces "none" not found');
});

test('generateName makes a name that is free, even when the first one is taken', async () => {
  await using server = await createTestServer();
  const names = new Set<string>();
  for (let round = 0; round < 50; round++) {
    const made = await server.ask('POST', configMaps, { metadata: { generateName: 'x-' } });
    names.add(made.object.metadata.name);
  }
  assert.equal(names.size, 50);
  for (const name of names) assert.match(name, /^x-[a-z0-9]{5}$/);
});

test('a dry run validates and answers, but stores nothing', async () => {
  await using server = await createTestServer();
  const made = await server.ask('POST', `${configMaps}?dryRun=All`, configMap('a'));
  assert.equal(made.status, 201);
  assert.equal((await server.ask('GET', `${configMaps}/a`)).status, 404);
  const wrong = await server.ask('POST', `${configMaps}?dryRun=All`, configMap('A'));
  assert.equal(wrong.object.reason, 'Invalid');
});

test('an update with an old resourceVersion loses, one without any wins', async () => {
  await using server = await createTestServer();
  const { object: first } = await server.ask('POST', configMaps, configMap('a', { x: '1' }));
  await server.ask('PUT', `${configMaps}/a`, configMap('a', { x: '2' }));
  const late = await server.ask('PUT', `${configMaps}/a`, { ...structuredClone(first), data: { x: '3' } });
  assert.equal(late.status, 409);
  assert.equal(
    late.object.message,
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  assert.deepEqual((await server.ask('GET', `${configMaps}/a`)).object.data, { x: '2' });
});

test('an update that changes nothing does not make a new version', async () => {
  await using server = await createTestServer();
  const { object: first } = await server.ask('POST', configMaps, configMap('a', { x: '1' }));
  const same = await server.ask('PUT', `${configMaps}/a`, structuredClone(first));
  assert.equal(same.object.metadata.resourceVersion, first.metadata.resourceVersion);
});

test('fields in another order are no change', async () => {
  await using server = await createTestServer();
  const path = '/api/v1/namespaces/default/services/s';
  const [name, ports, selector] = ['s', [{ port: 80, name: 'a' }], { app: 'a', tier: 'b' }];
  const made = await server.ask('POST', '/api/v1/namespaces/default/services', {
    metadata: { name, annotations: { a: '1', b: '2' } },
    spec: { ports, selector },
  });
  const { metadata, spec } = structuredClone(made.object);
  const reversed = (value: object) => Object.fromEntries(Object.entries(value).reverse());
  const put = await server.ask('PUT', path, { spec: reversed(spec), metadata: reversed(metadata) });
  assert.equal(put.status, 200);
  assert.equal(put.object.metadata.resourceVersion, metadata.resourceVersion);
});

const deployments = '/apis/apps/v1/namespaces/default/deployments';
const deployment = {
  metadata: { name: 'd' },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
};

test('the generation counts changes of the spec, not of labels or status', async () => {
  await using server = await createTestServer();
  const path = deployments;
  assert.equal((await server.ask('POST', path, deployment)).object.metadata.generation, 1);
  const labelled = await server.ask('PATCH', `${path}/d`, { metadata: { labels: { x: 'y' } } }, mergePatch);
  assert.equal(labelled.object.metadata.generation, 1);
  const scaled = await server.ask('PATCH', `${path}/d`, { spec: { replicas: 3 } }, mergePatch);
  assert.equal(scaled.object.metadata.generation, 2);
  const status = { status: { replicas: 2 }, spec: { replicas: 9 } };
  const reported = await server.ask('PATCH', `${path}/d/status`, status, mergePatch);
  assert.equal(reported.object.metadata.generation, 2);
  assert.equal(reported.object.spec.replicas, 3);
  assert.equal(reported.object.status.replicas, 2);
});

test('the generation of a Deployment counts changes of its annotations too, but not those with its status', async () => {
  await using server = await createTestServer();
  await server.ask('POST', deployments, deployment);
  const patch = async (path: string, annotations: object | null) =>
    (await server.ask('PATCH', `${deployments}/${path}`, { metadata: { annotations } }, mergePatch)).object
      .metadata;
  assert.equal((await patch('d', {})).generation, 1);
  assert.equal((await patch('d', { a: 'b' })).generation, 2);
  assert.equal((await patch('d', { a: 'b' })).generation, 2);
  const reported = await patch('d/status', { c: 'd' });
  assert.deepEqual([reported.generation, reported.annotations], [2, { a: 'b', c: 'd' }]);
  assert.equal((await patch('d', null)).generation, 3);
  const set = { ...deployment, spec: { ...deployment.spec, replicas: 0 } };
  const replicaSets = deployments.replace('deployments', 'replicasets');
  await server.ask('POST', replicaSets, set);
  const noted = await server.ask(
    'PATCH',
    `${replicaSets}/d`,
    { metadata: { annotations: { a: 'b' } } },
    mergePatch,
  );
  assert.equal(noted.object.metadata.generation, 1);
});

test('concurrent patches all take effect', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('a'));
  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      server.ask('PATCH', `${configMaps}/a`, { data: { [`k${index}`]: 'v' } }, mergePatch),
    ),
  );
  const { object } = await server.ask('GET', `${configMaps}/a`);
  assert.equal(Object.keys(object.data).length, 40);
});

test('a JSON patch whose test fails changes nothing', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('a', { x: '1' }));
  const patch = [
    { op: 'test', path: '/data/x', value: '2' },
    { op: 'replace', path: '/data/x', value: '3' },
  ];
  assert.equal((await server.ask('PATCH', `${configMaps}/a`, patch, jsonPatch)).status, 422);
  assert.deepEqual((await server.ask('GET', `${configMaps}/a`)).object.data, { x: '1' });
});

test('a JSON patch with fields that no operation has is refused by strict validation only', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('a', { x: '1' }));
  const patch = [
    { op: 'test', path: '/data/x', value: '1' },
    { op: 'replace', path: '/data/x', value: '2', why: 'because' },
  ];
  const strict = await server.ask('PATCH', `${configMaps}/a?fieldValidation=Strict`, patch, jsonPatch);
  assert.equal(strict.status, 422);
  assert.match(strict.object.message, /: strict decoding error: json patch unknown field "\[1\]\.why"$/);
  assert.equal((await server.ask('PATCH', `${configMaps}/a`, patch, jsonPatch)).object.data.x, '2');
});

test('what is applied or put and no longer there is made anew, whatever version was known', async () => {
  await using server = await createTestServer();
  const metadata = { name: 'a', resourceVersion: '5' };
  const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
  const applied = await server.ask('PATCH', `${configMaps}/a?fieldManager=m`, config, applyPatchType);
  assert.equal(applied.status, 201);
  const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/a';
  assert.equal((await server.ask('PUT', lease, { metadata })).status, 201);
});

test('server-side apply by kubectl keeps the annotation of its older way, with sorted keys', async () => {
  await using server = await createTestServer();
  const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';
  const annotations = { [lastApplied]: JSON.stringify(configMap('a', { x: '1' })) };
  await server.ask('POST', configMaps, { metadata: { name: 'a', annotations }, data: { x: '1' } });
  const config = { kind: 'ConfigMap', metadata: { name: 'a' }, apiVersion: 'v1', data: { x: '<' } };
  const query = 'fieldManager=kubectl&force=true';
  const { object } = await server.ask('PATCH', `${configMaps}/a?${query}`, config, applyPatchType);
  assert.equal(
    object.metadata.annotations[lastApplied],
    '{"apiVersion":"v1","data":{"x":"\\u003c"},"kind":"ConfigMap","metadata":{"name":"a"}}\n',
  );
});

test('server-side apply makes, owns, conflicts, and forces', async () => {
  await using server = await createTestServer();
  const config = (value: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a' },
    data: { x: value },
  });
  const apply = (value: string, query: string) =>
    server.ask('PATCH', `${configMaps}/a?${query}`, config(value), applyPatchType);
  assert.equal((await apply('1', 'fieldManager=one')).status, 201);
  assert.equal((await apply('1', 'fieldManager=two')).status, 200);
  const refused = await apply('2', 'fieldManager=two');
  assert.equal(refused.status, 409);
  assert.match(refused.object.message, /conflict with "one": \.data\.x/);
  assert.equal((await apply('2', 'fieldManager=two&force=true')).object.data.x, '2');
});

test('a delete answers with a Status, for the kinds of storage and devices with the object as upstream does', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, { metadata: { name: 'a' } });
  assert.equal((await server.ask('DELETE', `${configMaps}/a`)).object.kind, 'Status');
  const groups = { 'storage.k8s.io/v1': 'storageclasses', 'resource.k8s.io/v1': 'deviceclasses' };
  for (const [group, plural] of Object.entries(groups)) {
    const path = `/apis/${group}/${plural}`;
    const created = await server.ask('POST', path, { metadata: { name: 'a' }, provisioner: 'x' });
    const deleted = await server.ask('DELETE', `${path}/a`);
    assert.deepEqual([deleted.status, deleted.object], [200, created.object], plural);
  }
});

test('finalizers hold a deleted object until the last of them is gone', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, { metadata: { name: 'a', finalizers: ['example.com/x'] } });
  const deleted = await server.ask('DELETE', `${configMaps}/a`);
  assert.ok(deleted.object.metadata.deletionTimestamp);
  assert.equal((await server.ask('GET', `${configMaps}/a`)).status, 200);
  const again = await server.ask('POST', configMaps, { metadata: { name: 'a' } });
  assert.equal(again.object.message, 'object is being deleted: configmaps "a" already exists');
  await server.ask('PATCH', `${configMaps}/a`, { metadata: { finalizers: null } }, mergePatch);
  assert.equal((await server.ask('GET', `${configMaps}/a`)).status, 404);
});

test('propagation policies become finalizers', async () => {
  await using server = await createTestServer();
  for (const [policy, finalizer] of [
    ['Orphan', 'orphan'],
    ['Foreground', 'foregroundDeletion'],
  ]) {
    const name = policy!.toLowerCase();
    await server.ask('POST', configMaps, configMap(name));
    await server.ask('DELETE', `${configMaps}/${name}`, { propagationPolicy: policy });
    const { object } = await server.ask('GET', `${configMaps}/${name}`);
    assert.deepEqual(object.metadata.finalizers, [finalizer]);
  }
});

test('a delete whose precondition does not hold deletes nothing', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('a'));
  const refused = await server.ask('DELETE', `${configMaps}/a`, { preconditions: { uid: 'other' } });
  assert.equal(refused.object.reason, 'Conflict');
  assert.equal((await server.ask('GET', `${configMaps}/a`)).status, 200);
});

test('the deletion of a pod that goes at once is mutated once, though it is marked first', async () => {
  await using server = await createTestServer();
  const pods = '/api/v1/namespaces/default/pods';
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  await server.ask('POST', pods, {
    metadata: { name: 'a' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  const asked: string[] = [];
  server.api.registry.admission.add({
    name: 'witness',
    mutate: () => void asked.push('mutate'),
    validate: () => void asked.push('validate'),
  });
  const { status, object } = await server.ask('DELETE', `${pods}/a`);
  assert.equal(status, 200);
  assert.equal(object.metadata.deletionGracePeriodSeconds, 0);
  assert.equal((await server.ask('GET', `${pods}/a`)).status, 404);
  assert.deepEqual(asked, ['mutate', 'validate', 'validate']);
});

test('a namespace stays Terminating until its finalizer is taken away through /finalize', async () => {
  await using server = await createTestServer();
  await server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'n' } });
  const deleted = await server.ask('DELETE', '/api/v1/namespaces/n');
  assert.equal(deleted.object.status.phase, 'Terminating');
  assert.equal(deleted.object.metadata.deletionGracePeriodSeconds, undefined);
  const refused = await server.ask('POST', '/api/v1/namespaces/n/configmaps', configMap('a'));
  assert.equal(refused.object.details.causes[0].reason, 'NamespaceTerminating');
  const { object } = await server.ask('GET', '/api/v1/namespaces/n');
  const finalized = { ...structuredClone(object), spec: { finalizers: [] } };
  assert.equal((await server.ask('PUT', '/api/v1/namespaces/n/finalize', finalized)).status, 200);
  assert.equal((await server.ask('GET', '/api/v1/namespaces/n')).status, 404);
});

test('deletecollection deletes what its selector chooses', async () => {
  await using server = await createTestServer();
  for (const name of ['a', 'b', 'c'])
    await server.ask('POST', configMaps, configMap(name, {}, { keep: name === 'b' ? 'yes' : 'no' }));
  await server.ask('DELETE', `${configMaps}?labelSelector=keep%3Dno`);
  const { object } = await server.ask('GET', configMaps);
  assert.deepEqual(
    object.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ['b'],
  );
});

test('deletecollection answers when its last delete has ended, also when one of them was refused', async () => {
  await using server = await createTestServer();
  const names = Array.from({ length: 60 }, (_, index) => `c${String(index).padStart(2, '0')}`);
  for (const name of names) await server.ask('POST', configMaps, configMap(name));
  server.api.registry.admission.add({
    name: 'OneStays',
    validate({ operation, request }) {
      if (operation === 'DELETE' && request.name === 'c00') throw badRequest('not this one');
    },
  });
  assert.equal((await server.ask('DELETE', configMaps)).status, 400);
  const { object } = await server.ask('GET', configMaps);
  assert.deepEqual(
    object.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ['c00'],
  );
});

test('strict field validation refuses what is unknown, and nothing is stored', async () => {
  await using server = await createTestServer();
  const body = { metadata: { name: 'a' }, dta: { x: '1' } };
  const refused = await server.ask('POST', `${configMaps}?fieldValidation=Strict`, body);
  assert.equal(refused.status, 400);
  assert.match(refused.object.message, /unknown field "dta"/);
  assert.equal((await server.ask('GET', `${configMaps}/a`)).status, 404);
});

test('who deletes a Job without saying what becomes of its pods is warned, as in 1.36', async () => {
  await using listening = await createListeningServer();
  const send = await listening.as('admin', ['system:masters']);
  const jobs = '/apis/batch/v1/namespaces/default/jobs';
  const spec = { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } };
  const warningOf = async (path: string) => {
    await listening.server.ask('POST', jobs, { metadata: { name: 'j' }, spec });
    return (await send('DELETE', path)).headers.warning;
  };
  const warned = /^299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=/;
  assert.match(String(await warningOf(`${jobs}/j?dryRun=All`)), warned);
  assert.match(String(await warningOf(`${jobs}?dryRun=All`)), warned);
  assert.equal(await warningOf(`${jobs}/j?propagationPolicy=Background`), undefined);
  assert.equal(await warningOf(`${jobs}?propagationPolicy=Orphan`), undefined);
  const configMap = '/api/v1/namespaces/default/configmaps/none';
  assert.equal((await send('DELETE', configMap)).headers.warning, undefined);
});

test('a PUT creates where the kind allows it, and nowhere else', async () => {
  await using server = await createTestServer();
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  assert.equal(
    (
      await server.ask('PUT', `${leases}/l`, {
        metadata: { name: 'l' },
        spec: { holderIdentity: 'x', leaseDurationSeconds: 15 },
      })
    ).status,
    201,
  );
  const runtime = { metadata: { name: 'r' }, handler: 'runc' };
  assert.equal((await server.ask('PUT', '/apis/node.k8s.io/v1/runtimeclasses/r', runtime)).status, 201);
  assert.equal((await server.ask('PUT', `${configMaps}/none`, configMap('none'))).status, 404);
});

test('a PUT of a kind that must not be overwritten blindly names the version it replaces', async () => {
  await using server = await createTestServer();
  const path = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
  const budget = {
    metadata: { name: 'b' },
    spec: { minAvailable: 1, selector: { matchLabels: { a: 'b' } } },
  };
  await server.ask('POST', path, budget);
  const refused = await server.ask('PUT', `${path}/b`, budget);
  assert.match(
    refused.object.message,
    /^poddisruptionbudgets\.policy "b" is invalid: metadata\.resourceVersion: Invalid value: 0: must be specified for an update/,
  );
});
