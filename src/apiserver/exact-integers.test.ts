import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { decodeMessage, encodeObject, readEnvelope } from '../api/protobuf/envelope.ts';
import type { JsonObject } from '../base/json-object.ts';
import { createListeningServer, type ListeningServer, type Send } from './http/listener.fixture.ts';
import { jsonPatch, mergePatch } from './server.fixture.ts';

suite('exact integers', () => {
  const large = '9007199254740993';
  const largest = '9223372036854775807';

  let listening: ListeningServer;
  let send: Send;

  before(async () => {
    listening = await createListeningServer();
    send = await listening.as('admin', ['system:masters']);
  });
  after(() => listening[Symbol.asyncDispose]());

  const json = { 'content-type': 'application/json' };

  async function textOf(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
    const reply = await send(method, path, headers, body);
    assert.ok(reply.status < 300, reply.body.toString());
    return reply.body.toString();
  }

  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  const deployment = (name: string) =>
    `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"${name}"},"spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"terminationGracePeriodSeconds":${large},"containers":[{"name":"a","image":"a"}]}}}}`;

  test('a field of 64 bits is read as it was written, in every format and version', async () => {
    const expected = new RegExp(`"?terminationGracePeriodSeconds"?: ?${large}\\b`);
    assert.match(await textOf('POST', deployments, json, deployment('web')), expected);
    const url = `${deployments}/web`;
    assert.match(await textOf('GET', url), expected);
    assert.match(await textOf('GET', deployments), expected);
    assert.match(await textOf('GET', url, { accept: 'application/yaml' }), expected);
    assert.match(
      await textOf('GET', '/apis/extensions/v1beta1/namespaces/default/deployments/web'),
      expected,
    );
    const merge = { 'content-type': mergePatch };
    assert.match(await textOf('PATCH', url, merge, '{"metadata":{"labels":{"x":"y"}}}'), expected);
    const again = await textOf('PUT', url, json, await textOf('GET', url));
    assert.equal(JSON.parse(again).metadata.generation, 1, 'nothing has changed');
  });

  test('integers of 64 bits keep their digits in protobuf', async () => {
    const type = 'application/vnd.kubernetes.protobuf';
    const schema = 'io.k8s.api.apps.v1.Deployment';
    const { status } = await send(
      'POST',
      deployments,
      { 'content-type': type },
      encodeObject(schema, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'proto' },
        spec: {
          replicas: 0,
          selector: { matchLabels: { a: 'b' } },
          template: {
            metadata: { labels: { a: 'b' } },
            spec: { terminationGracePeriodSeconds: BigInt(largest), containers: [{ name: 'a', image: 'a' }] },
          },
        },
      }),
    );
    assert.equal(status, 201);
    const { body } = await send('GET', `${deployments}/proto`, { accept: type });
    const read = decodeMessage(schema, readEnvelope(body).message) as {
      spec: { template: { spec: JsonObject } };
    };
    assert.equal(read.spec.template.spec.terminationGracePeriodSeconds, BigInt(largest));
  });

  test('integers of more than 64 bits are refused', async () => {
    for (const number of ['9223372036854775808', '1e300', '1.5']) {
      const { status } = await send('POST', deployments, json, deployment('no').replace(large, number));
      assert.equal(status, 400, number);
    }
  });

  test('custom resources keep their numbers through create, patch, apply and watch', async () => {
    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'counters.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Cluster',
        names: { plural: 'counters', singular: 'counter', kind: 'Counter' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            additionalPrinterColumns: [{ name: 'N', type: 'integer', jsonPath: '.spec.count' }],
            schema: {
              openAPIV3Schema: {
                type: 'object',
                properties: {
                  spec: {
                    type: 'object',
                    properties: {
                      count: {
                        type: 'integer',
                        format: 'int64',
                        'x-kubernetes-validations': [{ rule: `self == ${large} || self == ${largest}` }],
                      },
                      set: { type: 'array', items: { type: 'integer' }, 'x-kubernetes-list-type': 'set' },
                      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                    },
                  },
                },
              },
            },
          },
        ],
      },
    };
    await textOf(
      'POST',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      json,
      JSON.stringify(crd),
    );
    const counters = '/apis/example.com/v1/counters';
    const body = `{"apiVersion":"example.com/v1","kind":"Counter","metadata":{"name":"c"},"spec":{"count":${large},"set":[${large}],"free":{"a":[${largest}]}}}`;
    const spec = `"spec":{"count":${large},"set":[${large}],"free":{"a":[${largest}]}}`;
    const holds = (text: string, what: string) => assert.ok(text.replaceAll(/\s/g, '').includes(what), text);
    const deadline = Date.now() + 5_000;
    while ((await send('GET', counters)).status !== 200) assert.ok(Date.now() < deadline, 'not served');
    holds(await textOf('POST', counters, json, body), spec);
    const url = `${counters}/c`;
    holds(await textOf('GET', url), spec);
    holds(await textOf('GET', counters), spec);
    const operations = `[{"op":"test","path":"/spec/count","value":${large}},{"op":"replace","path":"/spec/count","value":${largest}}]`;
    holds(await textOf('PATCH', url, { 'content-type': jsonPatch }, operations), `"count":${largest}`);
    const apply = { 'content-type': 'application/apply-patch+yaml' };
    const applied = `apiVersion: example.com/v1\nkind: Counter\nmetadata: {name: c}\nspec: {count: ${largest}, set: [${large}, 1]}\n`;
    holds(await textOf('PATCH', `${url}?fieldManager=me`, apply, applied), `"set":[${large},1]`);
    holds(await textOf('GET', `${counters}?watch=1&timeoutSeconds=1`), `"count":${largest}`);
    const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    holds(await textOf('GET', url, table), `"cells":["c",${largest}]`);
    // Only lists of custom resources themselves say that nothing follows.
    holds(await textOf('GET', counters), '"continue":""');
    assert.doesNotMatch(await textOf('GET', counters, table), /"continue"/);
    const refused = await send(
      'PUT',
      url,
      json,
      body.replace(`"count":${large}`, '"count":9007199254740992'),
    );
    assert.equal(refused.status, 422);
  });

  test('a grace period beyond all dates ends a pod nevertheless', async () => {
    const pods = '/api/v1/namespaces/default/pods';
    const pod = `{"metadata":{"name":"p"},"spec":{"nodeName":"n","automountServiceAccountToken":false,"terminationGracePeriodSeconds":${largest},"containers":[{"name":"a","image":"a"}]}}`;
    await textOf(
      'POST',
      '/api/v1/namespaces/default/serviceaccounts',
      json,
      '{"metadata":{"name":"default"}}',
    );
    await textOf('POST', pods, json, pod);
    assert.match(await textOf('DELETE', `${pods}/p`), /"deletionTimestamp":"\d{4}-/);
  });

  test('controllers, which calculate, are given plain numbers', async () => {
    await textOf('POST', deployments, json, deployment('local'));
    const { object } = await listening.server.ask('GET', `${deployments}/local`);
    assert.equal(object.spec.template.spec.terminationGracePeriodSeconds, Number(large));
  });
});
