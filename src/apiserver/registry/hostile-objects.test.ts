/** Objects that no honest client makes are answered in moderate time. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createAuthority, createSigningRequest } from '../../base/x509/pki.ts';
import { type Answer, configMaps, createTestServer, type TestServer } from '../server.fixture.ts';

suite('hostile objects', () => {
  const cpuMsMax = 3000;
  const namespaced = '/api/v1/namespaces/default';

  let server: TestServer;

  before(async () => {
    server = await createTestServer();
    await server.ask('POST', `${namespaced}/serviceaccounts`, { metadata: { name: 'default' } });
  });
  after(() => server[Symbol.asyncDispose]());

  /** The answer, which has to come within {@link cpuMsMax} of the processor. */
  async function soon(answer: Promise<Answer>): Promise<Answer> {
    const start = process.cpuUsage();
    const result = await answer;
    const { user } = process.cpuUsage(start);
    assert.ok(user / 1000 < cpuMsMax, `${user / 1000} ms`);
    return result;
  }

  const times = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => make(index));

  const pod = (name: string, spec: object, container: object = {}) => ({
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i', ...container }], ...spec },
  });

  const owner = (uid: string, more: object = {}) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: 'o',
    uid,
    ...more,
  });

  test('many owners are handled in linear time, and duplicates dropped', async () => {
    const references = times(20_000, (index) => owner(`u${index}`));
    const body = { metadata: { name: 'owned', ownerReferences: [...references, owner('u1')] } };
    const { status, object } = await soon(server.ask('POST', configMaps, body));
    assert.deepEqual([status, object.metadata.ownerReferences.length], [201, 20_000]);
  });

  test('many wrong owners are refused in a message that has an end', async () => {
    const references = times(5000, (index) => owner(`u${index}`, { controller: true }));
    const body = { metadata: { name: 'controlled', ownerReferences: references } };
    const { status, object } = await soon(server.ask('POST', configMaps, body));
    assert.equal(status, 422);
    assert.match(object.message, /Only one reference can have Controller set to true/);
    assert.ok(object.message.length < 10_000_000);
  });

  test('many finalizers of an object that is being deleted are compared with those before', async () => {
    const named = (finalizers: string[]) => ({ metadata: { name: 'finalized', finalizers } });
    await server.ask('POST', configMaps, named(times(20_000, (index) => `example.com/a${index}`)));
    await server.ask('DELETE', `${configMaps}/finalized`);
    const others = named(times(20_000, (index) => `example.com/b${index}`));
    const { status } = await soon(server.ask('PUT', `${configMaps}/finalized`, others));
    assert.equal(status, 422);
  });

  test('many claims, exit codes and tolerations are each looked at once', async () => {
    const claims = times(20_000, (index) => ({ name: `n${index}` }));
    const claimed = pod('claimed', {}, { resources: { claims } });
    assert.equal((await soon(server.ask('POST', `${namespaced}/pods`, claimed))).status, 422);

    const onExitCodes = { operator: 'In', values: times(300_000, (index) => index + 1) };
    const { spec } = pod('', { restartPolicy: 'Never' });
    const podFailurePolicy = { rules: [{ action: 'FailJob', onExitCodes }] };
    const job = { metadata: { name: 'coded' }, spec: { template: { spec }, podFailurePolicy } };
    assert.equal((await soon(server.ask('POST', '/apis/batch/v1/namespaces/default/jobs', job))).status, 422);

    const tolerations = times(8000, (index) => ({ key: `k${index}`, operator: 'Exists' }));
    const made = await server.ask('POST', `${namespaced}/pods`, pod('tolerant', { tolerations }));
    assert.equal(made.status, 201);
    const changed = structuredClone(made.object);
    changed.spec.tolerations = changed.spec.tolerations.toReversed();
    assert.equal((await soon(server.ask('PUT', `${namespaced}/pods/tolerant`, changed))).status, 200);
  });

  test('many mounts and devices of volumes are checked in linear time', async () => {
    const volumeMounts = times(15_000, (index) => ({ name: `m${index}`, mountPath: `/m/${index}` }));
    const volumeDevices = times(15_000, (index) => ({ name: `d${index}`, devicePath: `/d/${index}` }));
    const mounted = pod('mounted', {}, { volumeMounts, volumeDevices });
    const template = { metadata: { labels: { a: 'b' } }, spec: mounted.spec };
    const spec = { selector: { matchLabels: { a: 'b' } }, template };
    const body = { metadata: { name: 'mounted' }, spec };
    const { status } = await soon(server.ask('POST', '/apis/apps/v1/namespaces/default/deployments', body));
    assert.equal(status, 422);
  });

  test('a text of many beginnings of certificate requests is no request', async () => {
    const request = Buffer.from('-----BEGIN CERTIFICATE REQUEST-----'.repeat(30_000)).toString('base64');
    const spec = { request, signerName: 'example.com/s', usages: ['digital signature'] };
    const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const { status } = await soon(server.ask('POST', path, { metadata: { name: 'many' }, spec }));
    assert.equal(status, 422);
  });

  test('many topologies of a class, and many values of one, are checked in linear time', async () => {
    const classes = '/apis/storage.k8s.io/v1/storageclasses';
    const term = (key: string, values: string[]) => ({ matchLabelExpressions: [{ key, values }] });
    const made = (name: string, allowedTopologies: object[]) =>
      soon(server.ask('POST', classes, { metadata: { name }, provisioner: 'd.io', allowedTopologies }));
    const zones = (index: number) => [`z${index}`, 'z'];
    assert.equal(
      (
        await made(
          'terms',
          times(5000, (index) => term('zone', zones(index))),
        )
      ).status,
      201,
    );
    assert.equal(
      (
        await made('values', [
          term(
            'zone',
            times(50_000, (index) => `z${index}`),
          ),
        ])
      ).status,
      201,
    );
    const { object } = await made('same', [term('zone', ['a', 'b']), term('zone', ['b', 'a'])]);
    assert.match(object.message, /allowedTopologies\[1\]\.matchLabelExpressions: Duplicate value: ""$/);
    const { object: twice } = await made('twice', [term('zone', ['a', 'b', 'a'])]);
    assert.match(twice.message, /matchLabelExpressions\[0\]\.values\[2\]: Duplicate value: "a"$/);
  });

  test('a list in a definition that has many keys is judged key by key', async () => {
    const keys = times(10_000, (index) => `k${index}`);
    const properties = Object.fromEntries(keys.map((key) => [key, { type: 'string' }]));
    const list = (names: string[]) => ({
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': names,
      items: { type: 'object', required: keys, properties },
    });
    const made = (names: string[]) => {
      const schema = { openAPIV3Schema: { type: 'object', properties: { list: list(names) } } };
      return soon(
        server.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
          metadata: { name: 'manies.example.com' },
          spec: {
            group: 'example.com',
            scope: 'Cluster',
            names: { plural: 'manies', kind: 'Many' },
            versions: [{ name: 'v1', served: true, storage: true, schema }],
          },
        }),
      );
    };
    assert.match((await made(['k1', 'k2', 'k1'])).object.message, /must not contain duplicate entries$/);
    assert.equal((await made(keys)).status, 201);
  });

  test('a certificate of many beginnings without an end is none', async () => {
    const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const authority = await createAuthority('ca');
    const { request } = await createSigningRequest({ commonName: 'x' });
    const spec = {
      request: Buffer.from(request).toString('base64'),
      signerName: 'd.io/s',
      usages: ['digital signature'],
    };
    const { object: made } = await server.ask('POST', requests, { metadata: { name: 'r' }, spec });
    const issue = (text: string) =>
      soon(
        server.ask('PUT', `${requests}/r/status`, {
          ...made,
          status: { certificate: Buffer.from(text).toString('base64') },
        }),
      );
    const { object } = await issue('-----BEGIN CERTIFICATE-----\n'.repeat(60_000));
    assert.match(object.message, /must contain at least one CERTIFICATE PEM block/);
    assert.match((await issue('-----BEGIN X-----\nAA==\n-----END X-----\n')).object.message, /found "X"/);
    const { status, object: issued } = await issue(`about it:\n${authority.cert}\n${authority.cert}`);
    assert.equal(status, 200, JSON.stringify(issued));
  });

  test('a definition of thousands of versions is served in moderate time', async () => {
    const versions = Array.from({ length: 8_000 }, (_, index) => ({
      name: `v${index + 1}`,
      served: true,
      storage: index === 0,
      schema: { openAPIV3Schema: { type: 'object' } },
    }));
    const names = { plural: 'ages', singular: 'age', kind: 'Age', listKind: 'AgeList' };
    const { status } = await soon(
      server.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
        metadata: { name: 'ages.x.io' },
        spec: { group: 'x.io', scope: 'Cluster', names, versions },
      }),
    );
    assert.equal(status, 201);
    const made = async () => {
      for (;;) {
        const answer = await server.ask('GET', '/apis/x.io/v8000/ages');
        if (answer.status === 200) return answer;
        // An answer that needs no waiting would leave no turn to what makes the versions served.
        await setImmediate();
      }
    };
    await soon(made());
  });
});
