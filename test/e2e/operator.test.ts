import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import {
  ApiException,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  makeInformer,
} from '@kubernetes/client-node';
import { operatorBundle } from './operator-bundle.ts';
import { eventually, expectSuccess, TestCluster } from './test-cluster.ts';

const timeoutMs = 120_000;
const group = 'operators.example.com';
const namespace = 'operators';
const cluster = new TestCluster();
const kinds = 30;
const bundle = operatorBundle({ group, namespace, kinds });

interface Widget extends KubernetesObject {
  spec: { replicas: number };
  status?: { ready: number };
}

before(() => cluster.up('--simulate=1'));
after(() => cluster.delete());

const applyBundle = () =>
  expectSuccess(
    cluster.tryKubectl(['apply', '--server-side', '--field-manager=helm', '-f', '-'], {
      input: bundle,
      timeoutMs,
    }),
    'kubectl apply',
  );

test('a bundle of thirty large definitions, with their roles and accounts, is applied, and applied again', {
  timeout: timeoutMs,
}, async () => {
  assert.ok(bundle.length > 1_000_000, `${bundle.length} bytes`);
  const first = await applyBundle();
  assert.equal(first.trim().split('\n').length, kinds * 4 + 3);
  await cluster.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  const versions = async () =>
    (
      await cluster.kubectl('get', 'crd,clusterrole', '-o', 'jsonpath={.items[*].metadata.resourceVersion}')
    ).split(' ');
  const before = await versions();
  await applyBundle();
  assert.deepEqual(await versions(), before, 'what is applied again changes nothing');
  const resources = await cluster.kubectl('api-resources', `--api-group=${group}`, '-o', 'name');
  assert.equal(resources.trim().split('\n').length, kinds);
  assert.match(await cluster.kubectl('explain', 'widget7s.spec.section3.field2'), /FIELD: field2 <string>/);
});

test('an operator follows its objects with the rights of its account, and keeps what they want', {
  timeout: timeoutMs,
}, async (context) => {
  const token = (await cluster.kubectl('-n', namespace, 'create', 'token', 'operator7')).trim();
  const config = operatorConfig(token);
  const custom = config.makeApiClient(CustomObjectsApi);
  const core = config.makeApiClient(CoreV1Api);
  const at = { group, version: 'v1', plural: 'widget7s', namespace };
  const list = () => custom.listNamespacedCustomObject(at) as Promise<KubernetesListObject<Widget>>;
  const informer = makeInformer<Widget>(config, `/apis/${group}/v1/namespaces/${namespace}/widget7s`, list);
  context.after(() => informer.stop());
  const seen: string[] = [];
  const failures: unknown[] = [];
  const reconcile = async (widget: Widget): Promise<void> => {
    const { name, uid } = widget.metadata!;
    const ownerReferences = [
      { apiVersion: `${group}/v1`, kind: 'Widget7', name: name!, uid: uid!, controller: true },
    ];
    const body = { metadata: { name: `${name}-config`, ownerReferences }, data: { of: name! } };
    await core.createNamespacedConfigMap({ namespace, body }).catch(unlessCode(409));
    if (widget.status?.ready === widget.spec.replicas) return;
    const status = { ...widget, status: { ready: widget.spec.replicas } };
    await custom
      .replaceNamespacedCustomObjectStatus({ ...at, name: name!, body: status })
      .catch(unlessCode(409));
  };
  for (const verb of ['add', 'update'] as const)
    informer.on(verb, (widget) => {
      seen.push(`${verb} ${widget.metadata!.name}`);
      reconcile(widget).catch((error: unknown) => failures.push(error));
    });
  informer.on('delete', (widget) => void seen.push(`delete ${widget.metadata!.name}`));
  await informer.start();

  const widgets = Array.from({ length: 20 }, (_, index) => widgetManifest(`w${index}`)).join('---\n');
  await cluster.apply(widgets);
  const ready = async () => {
    const { items } = await list();
    return items.length === 20 && items.every(({ status, spec }) => status?.ready === spec.replicas);
  };
  await eventually('every widget is ready', ready);
  await cluster.kubectl(
    '-n',
    namespace,
    'patch',
    'widget7',
    'w3',
    '--type=merge',
    '-p',
    '{"spec":{"replicas":5}}',
  );
  await eventually(
    'the change is followed',
    async () => (informer.get('w3', namespace)?.status?.ready ?? 0) === 5,
  );
  const columns = await cluster.kubectl('-n', namespace, 'get', 'widget7', 'w3');
  assert.match(columns, /NAME +REPLICAS +READY +AGE\nw3 +5 +5 /);

  await cluster.kubectl('-n', namespace, 'delete', 'widget7', '--all');
  await eventually('what they owned is gone', async () => {
    const configs = await cluster.kubectl('-n', namespace, 'get', 'configmap', '-o', 'name');
    return !configs.includes('-config');
  });
  await eventually(
    'every delete was reported',
    async () => seen.filter((line) => line.startsWith('delete')).length === 20,
  );
  for (let index = 0; index < 20; index++) {
    const own = seen.filter((line) => line.endsWith(` w${index}`)).map((line) => line.split(' ')[0]);
    assert.deepEqual([own[0], own.at(-1)], ['add', 'delete']);
  }
  assert.deepEqual(failures, []);
  await assert.rejects(custom.listNamespacedCustomObject({ ...at, plural: 'widget8s' }), { code: 403 });
});

/** The cluster as the account sees it. */
function operatorConfig(token: string): KubeConfig {
  const admin = new KubeConfig();
  admin.loadFromString(readFileSync(cluster.kubeconfig, 'utf8'));
  const config = new KubeConfig();
  config.loadFromClusterAndUser(admin.getCurrentCluster()!, { name: 'operator', token });
  return config;
}

function unlessCode(code: number): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiException) || error.code !== code) throw error;
  };
}

function widgetManifest(name: string): string {
  return `apiVersion: ${group}/v1
kind: Widget7
metadata: {name: ${name}, namespace: ${namespace}}
spec: {replicas: 2}
`;
}
