import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { after, before, beforeEach, suite, test } from 'node:test';
import {
  ConfigMap,
  MutatingWebhookConfiguration,
  Namespace,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { createListeningServer } from '../http/listener.fixture.ts';
import { type ApiServer, createApiServer } from '../server.ts';
import { startWebhookServer, type WebhookServer } from '../webhook-server.fixture.ts';

suite('dynamic admission', () => {
  interface Review {
    request: {
      uid: string;
      operation: string;
      object: ConfigMap | null;
      kind: object;
      resource: object;
      subResource?: string;
      name: string;
      namespace?: string;
      options: object | null;
      oldObject: ConfigMap | null;
      dryRun: boolean;
    };
  }
  type Answer = {
    allowed: boolean;
    patch?: object[] | null;
    status?: object;
    warnings?: string[];
    delayMs?: number;
  };

  let server: ApiServer;
  let client: Client;
  let hookServer: WebhookServer;
  let caBundle: string;
  let url: string;
  /** What the webhook does with a review; each test sets its own. */
  let answer: (review: Review) => Answer | undefined;
  let reviews: Review[] = [];
  let headers: IncomingHttpHeaders = {};

  before(async () => {
    hookServer = await startWebhookServer((review: Review, given: IncomingHttpHeaders) => {
      reviews.push(review);
      headers = given;
      const told = answer(review);
      if (!told) return undefined;
      const { patch, ...rest } = told;
      const encoded = patch !== undefined && Buffer.from(JSON.stringify(patch)).toString('base64');
      const response = {
        uid: review.request.uid,
        ...rest,
        ...(encoded && { patch: encoded, patchType: 'JSONPatch' }),
      };
      return { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response };
    });
    caBundle = hookServer.caBundle;
    url = `${hookServer.origin}/check`;
    server = await createApiServer({
      store: createMemoryStore(),
      clock: systemClock,
      random: seededRandom(5),
      logger: silentLogger,
      metrics: new MetricsRegistry(),
    });
    client = createClient(server.localTransport({ name: 'admin', groups: ['system:masters'] }));
    await client.create(Namespace, { metadata: { name: 'shop', labels: { hooks: 'on' } }, spec: {} });
    await client.create(Namespace, { metadata: { name: 'quiet' }, spec: {} });
  });
  after(async () => {
    await server.close();
    hookServer.close();
  });
  beforeEach(async () => {
    reviews = [];
    for (const type of [
      MutatingWebhookConfiguration,
      ValidatingWebhookConfiguration,
      ValidatingAdmissionPolicyBinding,
      ValidatingAdmissionPolicy,
    ]) {
      for (const { metadata } of (await client.list<ConfigMap>(type as never)).items)
        await client.delete(type as never, metadata);
    }
  });

  const rules = [
    {
      apiGroups: [''],
      apiVersions: ['v1'],
      resources: ['configmaps'],
      operations: ['CREATE' as const, 'UPDATE' as const],
    },
  ];
  const hook = (more: object = {}) => ({
    name: 'check.example.com',
    clientConfig: { url, caBundle },
    rules,
    admissionReviewVersions: ['v1'],
    sideEffects: 'None' as const,
    namespaceSelector: { matchLabels: { hooks: 'on' } },
    timeoutSeconds: 10,
    ...more,
  });
  const named = (name: string, namespace = 'shop') => ({ metadata: { name, namespace } });

  test('a mutating webhook changes what is stored, with the version and user it was asked with', async () => {
    answer = () => ({
      allowed: true,
      patch: [{ op: 'add', path: '/data', value: { by: 'hook' } }],
      warnings: ['careful'],
    });
    await client.create(MutatingWebhookConfiguration, { metadata: { name: 'm' }, webhooks: [hook()] });
    const created = await client.create(ConfigMap, named('mutated'));
    assert.deepEqual(created.data, { by: 'hook' });
    assert.equal(reviews[0]?.request.operation, 'CREATE');
    const elsewhere = await client.create(ConfigMap, named('mutated', 'quiet'));
    assert.equal(elsewhere.data, undefined, 'the namespace is not selected');
  });

  test('a webhook can tell by the headers who calls', async () => {
    answer = () => ({ allowed: true });
    await client.create(ValidatingWebhookConfiguration, { metadata: { name: 'v' }, webhooks: [hook()] });
    await client.create(ConfigMap, named('seen'));
    assert.deepEqual(
      [headers['user-agent'], headers.accept, headers['content-type']],
      ['kube-apiserver-admission', 'application/json, */*', 'application/json'],
    );
  });

  test('a patch of null changes nothing', async () => {
    answer = () => ({ allowed: true, patch: null });
    await client.create(MutatingWebhookConfiguration, { metadata: { name: 'mutate' }, webhooks: [hook()] });
    assert.equal((await client.create(ConfigMap, { ...named('as-it-was'), data: { a: '1' } })).data?.a, '1');
  });

  test('a webhook that wants to see later changes is asked again', async () => {
    answer = ({ request }) => {
      const data = request.object?.data ?? {};
      const patch = 'first' in data ? [] : [{ op: 'add', path: '/data', value: { ...data, first: '1' } }];
      return {
        allowed: true,
        patch: patch.length > 0 ? patch : [{ op: 'add', path: '/data', value: { ...data, second: '2' } }],
      };
    };
    await client.create(MutatingWebhookConfiguration, {
      metadata: { name: 'm' },
      webhooks: [
        hook({ reinvocationPolicy: 'IfNeeded', name: 'a.example.com' }),
        hook({ name: 'b.example.com' }),
      ],
    });
    const created = await client.create(ConfigMap, named('again'));
    assert.deepEqual(created.data, { first: '1', second: '2' });
    assert.equal(reviews.length, 3);
  });

  test('a validating webhook refuses with its own words, and nothing is stored', async () => {
    answer = () => ({
      allowed: false,
      status: { code: 403, reason: 'Forbidden', message: 'no secrets here' },
    });
    await client.create(ValidatingWebhookConfiguration, { metadata: { name: 'v' }, webhooks: [hook()] });
    await assert.rejects(client.create(ConfigMap, named('refused')), {
      code: 403,
      message: 'admission webhook "check.example.com" denied the request: no secrets here',
    });
    await assert.rejects(client.get(ConfigMap, named('refused').metadata), { code: 404 });
  });

  test('a webhook that fails stops the request, unless its failures are to be ignored', async () => {
    answer = () => undefined;
    await client.create(ValidatingWebhookConfiguration, { metadata: { name: 'v' }, webhooks: [hook()] });
    await assert.rejects(
      client.create(ConfigMap, named('failing')),
      (error: { code: number; message: string }) => {
        assert.equal(error.code, 500);
        assert.match(
          error.message,
          /^Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: an error on the server/,
        );
        return true;
      },
    );
    await client.delete(ValidatingWebhookConfiguration, { name: 'v' });
    await client.create(ValidatingWebhookConfiguration, {
      metadata: { name: 'v' },
      webhooks: [hook({ failurePolicy: 'Ignore' })],
    });
    await client.create(ConfigMap, named('failing'));
  });

  test('a patch that cannot be read is a failure of the webhook, one that does not apply is an error', async () => {
    const unreadable = { op: 'add' } as unknown as object[];
    const create = async (more: object) => {
      await client.delete(MutatingWebhookConfiguration, { name: 'm' }).catch(undefinedIfNotFound);
      await client.create(MutatingWebhookConfiguration, { metadata: { name: 'm' }, webhooks: [hook(more)] });
    };
    answer = () => ({ allowed: true, patch: unreadable });
    await create({});
    await assert.rejects(client.create(ConfigMap, named('patched')), {
      code: 500,
      message:
        'Internal error occurred: failed calling webhook "check.example.com": received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type jsonpatch.Patch',
    });
    await create({ failurePolicy: 'Ignore' });
    await client.create(ConfigMap, named('patched'));
    answer = () => ({ allowed: true, patch: [{ op: 'remove', path: '/data/none' }] });
    await assert.rejects(client.create(ConfigMap, named('not-patched')), { code: 500 });
  });

  test('a webhook cannot move an object into another namespace', async () => {
    const all = [{ ...rules[0]!, operations: ['CREATE' as const, 'UPDATE' as const] }];
    answer = () => ({ allowed: true });
    await client.create(MutatingWebhookConfiguration, {
      metadata: { name: 'm' },
      webhooks: [hook({ rules: all })],
    });
    const there = await client.create(ConfigMap, named('there'));
    answer = () => ({
      allowed: true,
      patch: [{ op: 'replace', path: '/metadata/namespace', value: 'default' }],
    });
    const refusal = {
      code: 400,
      message: 'the namespace of the provided object does not match the namespace sent on the request',
    };
    await assert.rejects(client.create(ConfigMap, named('moved')), refusal);
    await assert.rejects(client.update(ConfigMap, { ...there, data: { a: 'b' } }), refusal);
    await assert.rejects(client.get(ConfigMap, { name: 'moved', namespace: 'default' }), { code: 404 });
  });

  test('a version that a webhook asks for counts', async () => {
    answer = ({ request }) => ({
      allowed: true,
      patch: request.name.startsWith('free')
        ? []
        : [{ op: 'add', path: '/metadata/resourceVersion', value: '5' }],
    });
    await client.create(MutatingWebhookConfiguration, { metadata: { name: 'm' }, webhooks: [hook()] });
    await assert.rejects(client.create(ConfigMap, named('versioned')), {
      code: 500,
      message: 'resourceVersion should not be set on objects to be created',
    });
    const { metadata, ...free } = await client.create(ConfigMap, named('free'));
    const unversioned = { ...free, metadata: { ...metadata, resourceVersion: '' } };
    await client.update(ConfigMap, { ...unversioned, data: { a: '1' } });
    answer = () => ({
      allowed: true,
      patch: [{ op: 'add', path: '/metadata/resourceVersion', value: '5' }],
    });
    await assert.rejects(client.update(ConfigMap, unversioned), {
      code: 409,
      message: /has been modified/,
    });
  });

  test('a webhook has no more time than the request', async () => {
    let timeout = '';
    await using late = await createListeningServer();
    const held = Promise.withResolvers<undefined>();
    const slow = await startWebhookServer((_review, _headers, path) => {
      timeout = path;
      return held.promise;
    });
    const ask = await late.as('admin', ['system:masters']);
    const post = (path: string, body: object) =>
      ask('POST', path, { 'content-type': 'application/json' }, JSON.stringify(body));
    const slowHook = hook({
      clientConfig: { url: `${slow.origin}/check`, caBundle: slow.caBundle },
      namespaceSelector: {},
      failurePolicy: 'Ignore',
    });
    await post('/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
      metadata: { name: 'slow' },
      webhooks: [slowHook],
    });
    const { status } = await post('/api/v1/namespaces/default/configmaps?timeout=600ms', {
      metadata: { name: 'late' },
    });
    assert.equal(status, 504);
    assert.equal(timeout, '/check?timeout=1s');
    held.resolve(undefined);
    slow.close();
  });

  test('a webhook sees a namespace as being within itself', async () => {
    const namespaces = [{ apiGroups: [''], apiVersions: ['v1'], resources: ['namespaces'] }];
    await client.create(ValidatingWebhookConfiguration, {
      metadata: { name: 'v' },
      webhooks: [
        hook({
          rules: [{ ...namespaces[0]!, operations: ['CREATE' as const] }],
          namespaceSelector: {},
        }),
      ],
    });
    answer = () => ({ allowed: true });
    await client.create(Namespace, { metadata: { name: 'new-one' }, spec: {} });
    assert.equal(reviews[0]!.request.namespace, 'new-one');
  });

  test('a webhook may look at a deletion, and not change what is deleted', async () => {
    await client.create(ConfigMap, named('doomed'));
    const deletions = [{ ...rules[0]!, operations: ['DELETE' as const] }];
    await client.create(MutatingWebhookConfiguration, {
      metadata: { name: 'm' },
      webhooks: [hook({ rules: deletions })],
    });
    answer = () => ({ allowed: true, patch: [{ op: 'add', path: '/data', value: {} }] });
    await assert.rejects(client.delete(ConfigMap, named('doomed').metadata), {
      code: 500,
      message:
        'Internal error occurred: admission webhook "check.example.com" attempted to modify the object, which is not supported for this operation',
    });
    answer = () => ({ allowed: true, patch: [] });
    await client.delete(ConfigMap, named('doomed').metadata);
  });

  test('an answer whose fields are of other types is a failure of the webhook', async () => {
    const odd: [object, RegExp][] = [
      [{ warnings: [1] }, /number into .*response\.warnings of type string$/],
      [{ warnings: 'w' }, /cannot unmarshal string into Go .*response\.warnings of type \[\]string$/],
      [{ allowed: 'true' }, /cannot unmarshal string into Go .*response\.allowed of type bool$/],
      [{ allowed: false, status: { code: '403' } }, /response\.status\.code of type int32$/],
      [{ allowed: false, status: { message: {} } }, /response\.status\.message of type string$/],
      [{ allowed: false, status: 'no' }, /response\.status of type v1\.Status$/],
      [{ auditAnnotations: { a: 1 } }, /response\.auditAnnotations of type string$/],
      [{ patchType: '' }, /: validating webhook may not return response\.patchType$/],
    ];
    await client.create(ValidatingWebhookConfiguration, { metadata: { name: 'v' }, webhooks: [hook()] });
    for (const [given, message] of odd) {
      answer = () => ({ allowed: true, ...given }) as Answer;
      await assert.rejects(client.create(ConfigMap, named('odd')), { code: 500, message });
    }
    await client.delete(ValidatingWebhookConfiguration, { name: 'v' });
    await client.create(MutatingWebhookConfiguration, { metadata: { name: 'm' }, webhooks: [hook()] });
    const unusable: [unknown, RegExp][] = [
      [[1], /webhook response: json: cannot unmarshal number into Go value of type jsonpatch\.Operation$/],
      ['x', /webhook response: json: cannot unmarshal string into Go value of type jsonpatch\.Patch$/],
      [[null], /: Unexpected kind: unknown$/],
    ];
    for (const [patch, message] of unusable) {
      answer = () => ({ allowed: true, patch: patch as object[] });
      await assert.rejects(client.create(ConfigMap, named('odd')), { code: 500, message });
    }
    await client.delete(MutatingWebhookConfiguration, { name: 'm' });
    await client.create(ValidatingWebhookConfiguration, { metadata: { name: 'v' }, webhooks: [hook()] });
    answer = () => ({ allowed: false, status: { code: 4030 } });
    await assert.rejects(client.create(ConfigMap, named('odd')), { code: 500 });
    await client.delete(ValidatingWebhookConfiguration, { name: 'v' });
    const webhooks = [hook({ failurePolicy: 'Ignore' })];
    await client.create(ValidatingWebhookConfiguration, { metadata: { name: 'v' }, webhooks });
    answer = () => ({ allowed: true, warnings: 1 }) as unknown as Answer;
    await client.create(ConfigMap, named('odd'));
  });

  test('a match condition spares the call, and a dry run needs a webhook without side effects', async () => {
    answer = () => ({ allowed: false });
    const matchConditions = [
      { name: 'labelled', expression: 'has(object.metadata.labels) && "check" in object.metadata.labels' },
    ];
    // Only the old version still takes webhooks with side effects.
    await client.raw('POST', '/apis/admissionregistration.k8s.io/v1beta1/validatingwebhookconfigurations', {
      metadata: { name: 'v' },
      webhooks: [hook({ matchConditions, sideEffects: 'Some' })],
    });
    await client.create(ConfigMap, named('unlabelled'));
    assert.equal(reviews.length, 0);
    const labelled = { metadata: { ...named('labelled').metadata, labels: { check: 'yes' } } };
    await assert.rejects(client.create(ConfigMap, labelled), /denied the request without explanation/);
    await assert.rejects(client.create(ConfigMap, labelled, { dryRun: true }), /does not support dry run/);
  });

  const policySpec = {
    matchConstraints: { resourceRules: rules },
    variables: [{ name: 'count', expression: 'has(object.data) ? object.data.size() : 0' }],
    validations: [
      {
        expression: 'variables.count <= int(params.data.max)',
        messageExpression: '"has %d keys".format([variables.count])',
      },
    ],
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
  };

  test('a policy evaluates requests with its parameters, and denies or warns as its binding says', async () => {
    await client.create(ConfigMap, { ...named('limits', 'quiet'), data: { max: '1' } });
    await client.create(ValidatingAdmissionPolicy, { metadata: { name: 'few-keys' }, spec: policySpec });
    const bindingSpec = {
      policyName: 'few-keys',
      validationActions: ['Deny' as const],
      paramRef: { name: 'limits', namespace: 'quiet', parameterNotFoundAction: 'Deny' },
      matchResources: { namespaceSelector: { matchLabels: { hooks: 'on' } } },
    };
    await client.create(ValidatingAdmissionPolicyBinding, { metadata: { name: 'b' }, spec: bindingSpec });
    const many = { data: { a: '1', b: '2' } };
    await assert.rejects(client.create(ConfigMap, { ...named('many'), ...many }), {
      code: 422,
      message: `configmaps "many" is forbidden: ValidatingAdmissionPolicy 'few-keys' with binding 'b' denied request: has 2 keys`,
    });
    await client.create(ConfigMap, { ...named('one'), data: { a: '1' } });
    await client.create(ConfigMap, { ...named('many', 'quiet'), ...many });
  });

  test('a webhook is asked about connections into pods, and its refusal is the answer', async () => {
    answer = () => ({
      allowed: false,
      status: { code: 403, message: "attaching to pod 'p' is not allowed" },
    });
    const connections = [
      { apiGroups: [''], apiVersions: ['v1'], resources: ['pods/attach'], operations: ['CONNECT' as const] },
    ];
    await client.create(ValidatingWebhookConfiguration, {
      metadata: { name: 'v' },
      webhooks: [hook({ rules: connections, timeoutSeconds: 30 })],
    });
    const path = '/api/v1/namespaces/shop/pods/p/attach?stdin=true&stdout=true&stderr=false&container=main';
    await assert.rejects(client.raw('POST', path), {
      code: 403,
      message:
        'admission webhook "check.example.com" denied the request: attaching to pod \'p\' is not allowed',
    });
    const { operation, kind, resource, subResource, name, object, oldObject, options } = reviews[0]!.request;
    assert.deepEqual(
      { operation, kind, resource, subResource, name, object, oldObject, options },
      {
        operation: 'CONNECT',
        kind: { group: '', version: 'v1', kind: 'PodAttachOptions' },
        resource: { group: '', version: 'v1', resource: 'pods' },
        subResource: 'attach',
        name: 'p',
        object: { kind: 'PodAttachOptions', apiVersion: 'v1', stdin: true, stdout: true, container: 'main' },
        oldObject: null,
        options: null,
      },
    );
  });
});
