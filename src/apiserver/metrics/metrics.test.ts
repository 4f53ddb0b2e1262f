import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:https';
import { connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { createListeningServer, type ListeningServer, type Send } from '../http/listener.fixture.ts';
import { applyPatchType, configMap, configMaps, mergePatch } from '../server.fixture.ts';

suite('metrics of a server', () => {
  let listening: ListeningServer;
  let admin: Send;
  const json = { 'content-type': 'application/json' };

  before(async () => {
    listening = await createListeningServer({});
    admin = await listening.as('admin', ['system:masters']);
  });
  after(() => listening[Symbol.asyncDispose]());

  interface Sample {
    labels: Record<string, string>;
    value: number;
  }

  /** The samples of one series, by name. */
  async function samplesOf(name: string): Promise<Sample[]> {
    const text = (await admin('GET', '/metrics')).body.toString();
    return text.split('\n').flatMap((line) => {
      const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (match?.[1] !== name) return [];
      const labels = [...(match[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]);
      return [{ labels: Object.fromEntries(labels), value: Number(match[3]) }];
    });
  }

  async function sampleOf(name: string, labels: Record<string, string>): Promise<number | undefined> {
    const found = (await samplesOf(name)).find((sample) =>
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    return found?.value;
  }

  test('requests are counted by the verbs and scopes that dashboards ask for', async () => {
    const body = JSON.stringify(configMap('counted'));
    await admin('POST', configMaps, json, body);
    await admin('POST', `${configMaps}?dryRun=All`, json, JSON.stringify(configMap('not-kept')));
    await admin('GET', `${configMaps}/counted`);
    await admin('GET', configMaps);
    await admin('GET', '/api/v1/configmaps');
    await admin('PUT', `${configMaps}/counted`, json, body);
    const config = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'counted' } });
    await admin('PATCH', `${configMaps}/counted?fieldManager=m`, { 'content-type': applyPatchType }, config);
    await admin('DELETE', `${configMaps}/counted`);
    await admin('DELETE', configMaps);
    await admin('GET', `${configMaps}/counted`);
    const samples = (await samplesOf('apiserver_request_total'))
      .filter(({ labels }) => labels.resource === 'configmaps')
      .map(({ labels, value }) => [labels.verb, labels.dry_run, labels.scope, labels.code, value].join(' '));
    assert.deepEqual(samples.sort(), [
      'APPLY  resource 200 1',
      'DELETE  resource 200 1',
      'DELETECOLLECTION  namespace 200 1',
      'GET  resource 200 1',
      'GET  resource 404 1',
      'LIST  cluster 200 1',
      'LIST  namespace 200 1',
      'POST  resource 201 1',
      'POST All resource 201 1',
      'PUT  resource 200 1',
    ]);
    const [first] = await samplesOf('apiserver_request_total');
    assert.deepEqual(Object.keys(first!.labels), [
      ...['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component', 'code'],
    ]);
    for (const name of ['apiserver_request_duration_seconds', 'apiserver_request_sli_duration_seconds'])
      assert.equal(
        await sampleOf(`${name}_count`, { verb: 'LIST', scope: 'cluster', resource: 'configmaps' }),
        1,
      );
    const les = (await samplesOf('apiserver_request_sli_duration_seconds_bucket')).map(
      ({ labels }) => labels.le,
    );
    for (const bound of ['1', '5', '30', '+Inf']) assert.ok(les.includes(bound), bound);
  });

  test('watches are counted while they are open, with the events that they were sent', async () => {
    const labels = { verb: 'WATCH', resource: 'secrets', scope: 'namespace' };
    const secrets = '/api/v1/namespaces/default/secrets';
    const identity = await listening.connect('admin', ['system:masters']);
    const watch = get(
      { host: '127.0.0.1', port: listening.port, path: `${secrets}?watch=true`, ...identity },
      (answer) => answer.resume().on('error', () => undefined),
    );
    const open = () => sampleOf('apiserver_longrunning_requests', labels);
    while ((await open()) !== 1);
    await admin('POST', secrets, json, '{"metadata":{"name":"seen"}}');
    while ((await sampleOf('apiserver_watch_events_total', { resource: 'secrets' })) !== 1);
    assert.ok((await sampleOf('apiserver_watch_events_sizes_sum', { resource: 'secrets' }))! > 100);
    watch.destroy();
    while ((await open()) !== undefined);
  });

  test('admission is timed by step and by plugin, and refusals are series of their own', async () => {
    const refused = await admin(
      'POST',
      '/api/v1/namespaces/absent/configmaps',
      json,
      '{"metadata":{"name":"x"}}',
    );
    assert.equal(refused.status, 404);
    const name = 'NamespaceLifecycle';
    const count = (rejected: string) =>
      sampleOf('apiserver_admission_controller_admission_duration_seconds_count', {
        name,
        operation: 'CREATE',
        rejected,
        type: 'admit',
      });
    assert.equal(await count('true'), 1);
    assert.ok((await count('false'))! > 1);
    const step = { operation: 'CREATE', type: 'validate', rejected: 'false' };
    assert.ok((await sampleOf('apiserver_admission_step_admission_duration_seconds_count', step))! > 1);
  });

  test('a plugin is asked, and counted, where its operations and resources are at stake', async () => {
    await admin('POST', configMaps, json, JSON.stringify(configMap('asked')));
    await admin('DELETE', `${configMaps}/asked`);
    const claims = '/api/v1/namespaces/default/persistentvolumeclaims';
    const resources = { requests: { storage: '1Gi' } };
    const claim = { metadata: { name: 'asked' }, spec: { accessModes: ['ReadWriteOnce'], resources } };
    assert.equal((await admin('POST', claims, json, JSON.stringify(claim))).status, 201);
    const labels = JSON.stringify({ metadata: { labels: { a: 'b' } } });
    assert.equal(
      (await admin('PATCH', `${claims}/asked`, { 'content-type': mergePatch }, labels)).status,
      200,
    );
    const operationsOf = async (plugin: string) => {
      const samples = await samplesOf('apiserver_admission_controller_admission_duration_seconds_count');
      const own = samples.filter(({ labels }) => labels.name === plugin);
      return [...new Set(own.map(({ labels }) => labels.operation))].sort();
    };
    assert.deepEqual(await operationsOf('NodeRestriction'), ['CREATE', 'DELETE', 'UPDATE']);
    assert.deepEqual(await operationsOf('LimitRanger'), ['CREATE', 'UPDATE']);
    assert.deepEqual(await operationsOf('DefaultStorageClass'), ['CREATE']);
    assert.deepEqual(await operationsOf('PersistentVolumeClaimResize'), ['UPDATE']);
    assert.deepEqual(await operationsOf('RuntimeClass'), []);
  });

  test('policies are counted by what they did', async () => {
    const group = '/apis/admissionregistration.k8s.io/v1';
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };
    const spec = {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: "object.metadata.name != 'bad'" }],
    };
    await admin(
      'POST',
      `${group}/validatingadmissionpolicies`,
      json,
      JSON.stringify({ metadata: { name: 'p' }, spec }),
    );
    const binding = { metadata: { name: 'b' }, spec: { policyName: 'p', validationActions: ['Deny'] } };
    await admin('POST', `${group}/validatingadmissionpolicybindings`, json, JSON.stringify(binding));
    assert.equal((await admin('POST', configMaps, json, JSON.stringify(configMap('bad')))).status, 422);
    assert.equal((await admin('POST', configMaps, json, JSON.stringify(configMap('good')))).status, 201);
    for (const enforcement_action of ['deny', 'allow']) {
      const labels = { policy: 'p', policy_binding: 'b', error_type: 'no_error', enforcement_action };
      assert.equal(await sampleOf('apiserver_validating_admission_policy_check_total', labels), 1);
    }
  });

  test("authentications and store operations are counted under upstream's names", async () => {
    const stranger = await listening.as('stranger@example.com');
    assert.equal((await stranger('GET', configMaps)).status, 403);
    assert.equal(await sampleOf('authenticated_user_requests', { username: 'email_id' }), 1);
    assert.ok((await sampleOf('authenticated_user_requests', { username: 'admin' }))! > 10);
    assert.equal(await sampleOf('authorization_attempts_total', { result: 'no-opinion' }), 1);
    assert.ok((await sampleOf('authentication_attempts', { result: 'success' }))! > 10);
    assert.ok((await sampleOf('apiserver_client_certificate_expiration_seconds_count', {}))! > 10);
    const created = { operation: 'create', group: '', resource: 'configmaps' };
    assert.ok((await sampleOf('etcd_request_duration_seconds_count', created))! >= 2);
    assert.equal(await sampleOf('apiserver_resource_objects', { group: '', resource: 'secrets' }), 1);
    assert.ok((await sampleOf('apiserver_storage_size_bytes', {}))! > 0);
    assert.equal(await sampleOf('kubernetes_build_info', { major: '1', minor: '36' }), 1);
  });

  test('what the watch cache received, gave to lists and began watches with is counted by resource', async () => {
    const path = '/api/v1/namespaces/default/endpoints';
    for (const name of ['one', 'two', 'three']) {
      const labels = name === 'two' ? { even: 'yes' } : {};
      await admin('POST', path, json, JSON.stringify({ metadata: { name, labels } }));
    }
    await admin('DELETE', `${path}/three`);
    await admin('GET', `${path}?labelSelector=even`);
    await admin('GET', `${path}?limit=1`);
    await admin('GET', `${path}?watch=1&timeoutSeconds=1`);
    const of = (name: string) => sampleOf(name, { group: '', resource: 'endpoints' });
    assert.deepEqual(
      {
        stored: await of('apiserver_storage_events_received_total'),
        received: await of('apiserver_watch_cache_events_received_total'),
        dispatched: await of('apiserver_watch_cache_events_dispatched_total'),
        initial: await of('apiserver_init_events_total'),
        lists: await of('apiserver_cache_list_total'),
        returned: await of('apiserver_cache_list_returned_objects_total'),
      },
      { stored: 4, received: 4, dispatched: 4, initial: 2, lists: 2, returned: 2 },
    );
    // The page of one looks at the next object, too, to know that there is one.
    assert.equal(await of('apiserver_cache_list_fetched_objects_total'), 4);
  });

  test('connections that end in their handshake are counted', async () => {
    assert.equal(await sampleOf('apiserver_tls_handshake_errors_total', {}), 0);
    const socket = connect(listening.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await once(socket.resume(), 'close');
    assert.equal(await sampleOf('apiserver_tls_handshake_errors_total', {}), 1);
  });

  test('the metric of a requested deprecated version has the release that removes it', async () => {
    await admin('GET', '/apis/extensions/v1beta1/ingresses');
    const labels = { group: 'extensions', version: 'v1beta1', resource: 'ingresses' };
    assert.equal(await sampleOf('apiserver_requested_deprecated_apis', labels), 1);
  });

  test('health checks have metrics at a path of their own', async () => {
    for (const path of ['/livez', '/readyz', '/readyz']) assert.equal((await admin('GET', path)).status, 200);
    const text = (await admin('GET', '/metrics/slis')).body.toString();
    assert.match(text, /^kubernetes_healthcheck\{name="etcd",type="readyz"\} 1$/m);
    assert.match(text, /^kubernetes_healthchecks_total\{name="etcd",status="success",type="readyz"\} 2$/m);
    assert.match(text, /^kubernetes_healthchecks_total\{name="etcd",status="success",type="livez"\} 1$/m);
  });

  test('clients learn which features there are', async () => {
    const features = await samplesOf('kubernetes_feature_enabled');
    const named = (name: string) => features.find(({ labels }) => labels.name === name);
    assert.deepEqual(named('WatchList'), { labels: { name: 'WatchList', stage: 'BETA' }, value: 1 });
    assert.deepEqual(named('MutatingAdmissionPolicy')?.labels.stage, '');
    assert.equal(named('CBORServingAndStorage')?.value, 0);
  });

  test('each metric says how stable it is, and how many there are of each', async () => {
    const text = (await admin('GET', '/metrics')).body.toString();
    assert.match(text, /^# HELP apiserver_request_total \[STABLE\] /m);
    assert.match(text, /^# HELP workqueue_depth \[BETA\] |^# HELP kubernetes_build_info \[BETA\] /m);
    assert.match(text, /^# HELP apiserver_watch_events_total \[ALPHA\] /m);
    assert.match(text, /^# HELP process_cpu_seconds_total [A-Z]/m);
    const isStable = text.split('\n').filter((line) => /^# HELP \S+ \[STABLE\]/.test(line));
    const labels = { stability_level: 'STABLE', deprecated_version: '' };
    assert.equal(await sampleOf('registered_metrics_total', labels), isStable.length);
    assert.equal(await sampleOf('hidden_metrics_total', {}), 0);
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);
    assert.deepEqual(names, [...names].sort());
  });
});
