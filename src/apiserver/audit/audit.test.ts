import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { test } from 'node:test';
import { ConfigMap, Secret } from '../../api/resources.gen.ts';
import { mastersGroup } from '../../api/well-known.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createTokenKeyPair } from '../../base/x509/pki.ts';
import { createClient } from '../../client/create-client.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { createListeningServer, exchange } from '../http/listener.fixture.ts';
import type { RequestContext } from '../request.ts';
import { configMap, configMaps, createTestServer, jsonPatch, mergePatch } from '../server.fixture.ts';
import { createApiServer } from '../server.ts';
import { startWebhookServer } from '../webhook-server.fixture.ts';
import { AuditLog } from './audit-log.ts';
import { auditRuleFor, parseAuditPolicy } from './policy.ts';

const info = {
  verb: 'get',
  isResource: true,
  path: '/api/v1/namespaces/a/pods/x/log',
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: 'log',
  namespace: 'a',
  name: 'x',
  rest: '',
};
const ann = { name: 'ann', groups: ['devs'] };

test('the first rule that matches says how much is written', () => {
  const rule = { level: 'Metadata' as const };
  const cases: [string, object, boolean][] = [
    ['everything', {}, true],
    ['a user', { users: ['ann'] }, true],
    ['another user', { users: ['ben'] }, false],
    ['a group', { userGroups: ['devs'] }, true],
    ['a verb', { verbs: ['list'] }, false],
    ['a resource without its subresource', { resources: [{ group: '', resources: ['pods'] }] }, false],
    ['a subresource', { resources: [{ group: '', resources: ['pods/log'] }] }, true],
    ['all subresources', { resources: [{ group: '', resources: ['pods/*'] }] }, true],
    ['another group', { resources: [{ group: 'apps', resources: ['*'] }] }, false],
    ['a namespace', { namespaces: ['a'] }, true],
    ['a path', { nonResourceURLs: ['/api*'] }, false],
  ];
  for (const [title, facts, expected] of cases) {
    const found = auditRuleFor({ rules: [{ ...rule, ...facts }] }, info, ann);
    assert.equal(found.level, expected ? 'Metadata' : 'None', title);
  }
});

const head = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy' };
const wrong: [what: string, policy: unknown, message: string | RegExp][] = [
  ['another kind', { kind: 'Pod' }, /kind Policy/],
  ['nothing', null, /kind Policy/],
  ['no rules', { ...head, rules: [] }, 'loaded illegal policy with 0 rules'],
  ['rules that are no list', { ...head, rules: {} }, 'rules: a list is wanted'],
  ['a rule that is nothing', { ...head, rules: [null] }, 'rules[0]: null is nothing'],
  ['no level', { ...head, rules: [{}] }, 'rules[0].level: Required value'],
  [
    'another level',
    { ...head, rules: [{ level: 'Loud' }] },
    'rules[0].level: Unsupported value: "Loud": supported values: "None", "Metadata", "Request", "RequestResponse"',
  ],
  [
    'users of another form',
    { ...head, rules: [{ level: 'None', users: 'a' }] },
    'rules[0].users: a list is wanted',
  ],
  [
    'another stage',
    { ...head, omitStages: ['Never'], rules: [{ level: 'None' }] },
    'omitStages[0]: Invalid value: "Never": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic',
  ],
  [
    'a path with a star in it',
    { ...head, rules: [{ level: 'None', nonResourceURLs: ['/a*b'] }] },
    /nonResourceURLs\[0\]: Invalid value: "\/a\*b": non-resource URL wildcards '\*' must be the final/,
  ],
  [
    'names without resources',
    { ...head, rules: [{ level: 'None', resources: [{ resourceNames: ['a'] }] }] },
    'rules[0].resources.resourceNames: Invalid value: ["a"]: using resourceNames requires at least one resource',
  ],
  [
    'resources and paths',
    { ...head, rules: [{ level: 'None', namespaces: ['a'], nonResourceURLs: ['/a'] }] },
    'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs',
  ],
];
for (const [what, policy, message] of wrong)
  test(`a policy with a mistake is refused: ${what}`, () =>
    assert.throws(() => parseAuditPolicy(policy), { message }));

test('fields that a policy does not know are passed over', () => {
  const rules = [{ level: 'Metadata', mood: 'good', users: null }];
  assert.equal(auditRuleFor(parseAuditPolicy({ ...head, rules }), info, ann).level, 'Metadata');
});

test('a policy of any form gives rules that can be asked, or an error', () => {
  const random = seededRandom(20_261_128);
  const below = (bound: number) => Math.floor(random.next() * bound);
  const values: (() => unknown)[] = [
    ...[null, 0, true, '', 'Metadata', '*', '/a*', 'pods/log', [], {}].map((value) => () => value),
    () => [any()],
    () => [any(), any()],
    () => ruleOf(),
  ];
  const any = (): unknown => values[below(values.length)]!();
  const names = ['users', 'userGroups', 'verbs', 'resources', 'namespaces', 'nonResourceURLs', 'omitStages'];
  const ruleOf = () => ({
    level: below(4) > 0 ? 'Metadata' : any(),
    ...Object.fromEntries(
      names.filter(() => below(5) === 0).map((name) => [name, below(4) > 0 ? ['a', '/a*'] : any()]),
    ),
    ...(below(6) === 0 && { resources: [{ group: any(), resources: any(), resourceNames: any() }] }),
  });
  let usable = 0;
  for (let round = 0; round < 3_000; round++) {
    let policy: ReturnType<typeof parseAuditPolicy>;
    try {
      policy = parseAuditPolicy({ ...head, rules: [ruleOf(), any()].slice(0, 1 + below(2)) });
    } catch (error) {
      assert.ok((error as Error).constructor === Error, `a defect, no refusal: ${(error as Error).stack}`);
      continue;
    }
    usable++;
    auditRuleFor(policy, info, ann);
    auditRuleFor(policy, { ...info, isResource: false, resource: '', subresource: '' }, ann);
  }
  assert.ok(usable > 50, `${usable} policies were good`);
});

test('events say who did what, with content where the policy asks for it, and never that of secrets', async () => {
  const lines: string[] = [];
  const policy = parseAuditPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'None', users: ['system:apiserver'] }, { level: 'RequestResponse' }],
  });
  const server = await createApiServer({
    store: createMemoryStore(),
    clock: new VirtualClock(),
    random: seededRandom(2),
    logger: silentLogger,
    metrics: new MetricsRegistry(),
    audit: { policy, write: (line) => void lines.push(line) },
  });
  const client = createClient(server.localTransport({ name: 'ann', groups: ['system:masters'] }));
  await client.create(ConfigMap, { metadata: { name: 'c', namespace: 'default' }, data: { a: '1' } });
  await client.create(Secret, { metadata: { name: 's', namespace: 'default' }, stringData: { a: 'hidden' } });
  await assert.rejects(client.get(ConfigMap, { name: 'absent', namespace: 'default' }));
  await server.close();
  const [created, secret, absent] = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    [
      created.verb,
      created.user.username,
      created.objectRef,
      created.responseStatus.code,
      created.responseObject.data,
    ],
    [
      'create',
      'ann',
      { resource: 'configmaps', namespace: 'default', name: 'c', apiVersion: 'v1' },
      201,
      { a: '1' },
    ],
  );
  assert.deepEqual(created.requestObject, {
    ...{ kind: 'ConfigMap', apiVersion: 'v1' },
    metadata: { name: 'c', namespace: 'default' },
    data: { a: '1' },
  });
  assert.equal(secret.objectRef.name, 's');
  assert.ok(!lines[1]!.includes('hidden') && secret.requestObject === undefined);
  const { reason, kind } = absent.responseStatus;
  assert.deepEqual([reason, kind], ['NotFound', undefined]);
});

test('audit events of patches, deletes, scales and refusals have request, response and the impersonated user', async () => {
  const lines: string[] = [];
  const rules = [{ level: 'None', users: ['system:apiserver'] }, { level: 'RequestResponse' }];
  const policy = parseAuditPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules,
  });
  await using server = await createTestServer({ audit: { policy, write: (line) => void lines.push(line) } });
  const last = () => JSON.parse(lines.at(-1)!);
  await server.ask('POST', configMaps, configMap('c'));
  await server.ask('PATCH', `${configMaps}/c`, { data: { x: 'y' } }, mergePatch);
  assert.deepEqual(last().requestObject, { data: { x: 'y' } });
  assert.equal(last().responseObject.data.x, 'y');
  await server.ask('GET', configMaps);
  const { kind, items } = last().responseObject;
  assert.deepEqual([kind, items.map(({ data }: { data: object }) => data)], ['ConfigMapList', [{ x: 'y' }]]);
  assert.equal(last().annotations['authorization.k8s.io/decision'], 'allow');
  await server.ask('GET', '/api/v1/namespaces/default/secrets');
  assert.equal(last().responseObject, undefined);
  await server.ask('PATCH', `${configMaps}/c`, { data: { x: 'y' } }, mergePatch);
  assert.deepEqual(last().annotations, {
    'authorization.k8s.io/decision': 'allow',
    'authorization.k8s.io/reason': '',
  });
  await server.ask('PATCH', `${configMaps}/c`, [{ op: 'remove', path: '/data' }], jsonPatch);
  assert.deepEqual(last().requestObject, [{ op: 'remove', path: '/data' }]);
  await server.ask('DELETE', `${configMaps}/c`, { propagationPolicy: 'Background' });
  assert.deepEqual(last().requestObject, {
    kind: 'DeleteOptions',
    apiVersion: 'meta.k8s.io/v1',
    propagationPolicy: 'Background',
  });
  assert.equal(last().responseObject.status, 'Success');
  assert.deepEqual(
    [last().responseStatus.status, last().responseStatus.code, last().responseStatus.details.name],
    ['Success', 200, 'c'],
  );
  await server.ask('POST', configMaps, configMap('c'));
  await server.ask('DELETE', `${configMaps}/c`);
  assert.equal(last().requestObject, undefined);
  await server.ask('GET', `${configMaps}/c`);
  assert.deepEqual([last().responseStatus.code, last().responseObject.reason], [404, 'NotFound']);
  assert.equal(last().impersonatedUser, undefined);
});

test('managed fields are left out where the policy says so, of lists too', async () => {
  const lines: string[] = [];
  const rules = [
    { level: 'RequestResponse', verbs: ['list', 'create'] },
    { level: 'RequestResponse', omitManagedFields: false },
  ];
  const policy = parseAuditPolicy({
    ...head,
    omitStages: ['RequestReceived'],
    omitManagedFields: true,
    rules,
  });
  await using server = await createTestServer({ audit: { policy, write: (line) => void lines.push(line) } });
  const last = () => JSON.parse(lines.at(-1)!);
  await server.ask('POST', `${configMaps}?fieldManager=me`, configMap('c', { a: '1' }));
  assert.equal(last().responseObject.metadata.managedFields, undefined);
  await server.ask('GET', configMaps);
  assert.equal(last().responseObject.items[0].metadata.name, 'c');
  assert.equal(last().responseObject.items[0].metadata.managedFields, undefined);
  await server.ask('GET', `${configMaps}/c`);
  assert.equal(last().responseObject.metadata.managedFields.length, 1);
});

test('audit annotations of policies are recorded: audited failures, and their own', async () => {
  const lines: string[] = [];
  const policy = parseAuditPolicy({
    ...head,
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Metadata' }],
  });
  await using server = await createTestServer({ audit: { policy, write: (line) => void lines.push(line) } });
  const group = '/apis/admissionregistration.k8s.io/v1';
  const resourceRules = [
    { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
  ];
  const defined = await server.ask('POST', `${group}/validatingadmissionpolicies`, {
    metadata: { name: 'p' },
    spec: {
      matchConstraints: { resourceRules },
      validations: [{ expression: 'true' }, { expression: 'object.metadata.name != "b"', message: 'no b' }],
      auditAnnotations: [
        { key: 'name', valueExpression: '"called " + object.metadata.name' },
        { key: 'none', valueExpression: 'object.metadata.name == "b" ? "" : "other"' },
      ],
    },
  });
  assert.equal(defined.status, 201, JSON.stringify(defined.object));
  await server.ask('POST', `${group}/validatingadmissionpolicybindings`, {
    metadata: { name: 'bound' },
    spec: { policyName: 'p', validationActions: ['Audit'] },
  });
  const made = await server.ask('POST', configMaps, configMap('b'));
  assert.equal(made.status, 201);
  const { annotations } = JSON.parse(lines.at(-1)!);
  assert.equal(annotations['p/name'], 'called b');
  assert.equal(annotations['p/none'], undefined);
  assert.deepEqual(JSON.parse(annotations['validation.policy.admission.k8s.io/validation_failure']), [
    { message: 'no b', policy: 'p', binding: 'bound', expressionIndex: 1, validationActions: ['Audit'] },
  ]);
});

test('what webhooks did is recorded: whether they changed the object, how, and which failed and was ignored', async () => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const rules = [{ level: 'Metadata', users: ['discreet'] }, { level: 'Request' }];
  const policy = parseAuditPolicy({ ...head, omitStages: ['RequestReceived'], rules });
  await using server = await createTestServer({ audit: { policy, write } });
  const patch = [{ op: 'add', path: '/data', value: { by: 'hook' } }];
  const keys = Array.from({ length: 30 }, (_, index) => `key${index}`);
  const hookServer = await startWebhookServer(({ request }: { request: { uid: string; name: string } }) => {
    if (request.name === 'unanswered') return undefined;
    const change = { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
    const auditAnnotations =
      request.name === 'noted' && Object.fromEntries([...keys, 'no name', 'a/b'].map((key) => [key, 'said']));
    const response = {
      uid: request.uid,
      allowed: true,
      ...(request.name === 'changed' && change),
      ...(auditAnnotations && { auditAnnotations }),
    };
    return { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response };
  });
  using _ = { [Symbol.dispose]: () => hookServer.close() };
  const hook = {
    clientConfig: { url: hookServer.origin, caBundle: hookServer.caBundle },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    failurePolicy: 'Ignore',
  };
  const group = '/apis/admissionregistration.k8s.io/v1';
  await server.ask('POST', `${group}/mutatingwebhookconfigurations`, {
    metadata: { name: 'm' },
    webhooks: [
      { ...hook, name: 'first.example.com', rules: [] },
      { ...hook, name: 'second.example.com' },
    ],
  });
  const annotationsOf = async (name: string, user = 'ann') => {
    const client = createClient(server.api.localTransport({ name: user, groups: [mastersGroup] }));
    await client.create(ConfigMap, { metadata: { name, namespace: 'default' } });
    const { annotations } = JSON.parse(lines.at(-1)!);
    return Object.fromEntries(
      Object.entries(annotations as Record<string, string>).filter(([key]) => key.includes('webhook')),
    );
  };
  const about = { configuration: 'm', webhook: 'second.example.com' };
  const mutation = (mutated: boolean) => ({
    'mutation.webhook.admission.k8s.io/round_0_index_1': JSON.stringify({ ...about, mutated }),
  });
  assert.deepEqual(await annotationsOf('seen'), mutation(false));
  assert.deepEqual(await annotationsOf('changed'), {
    ...mutation(true),
    'patch.webhook.admission.k8s.io/round_0_index_1': JSON.stringify({
      ...about,
      patch,
      patchType: 'JSONPatch',
    }),
  });
  assert.deepEqual(await annotationsOf('unanswered'), {
    ...mutation(false),
    'failed-open.mutation.webhook.admission.k8s.io/round_0_index_1': 'second.example.com',
  });
  await server.ask('DELETE', `${configMaps}/changed`);
  assert.deepEqual(await annotationsOf('changed', 'discreet'), mutation(true));
  await annotationsOf('noted');
  const noted = Object.keys(JSON.parse(lines.at(-1)!).annotations).filter((key) => key.startsWith('second.'));
  assert.deepEqual(
    noted,
    keys.map((key) => `second.example.com/${key}`),
  );
});

test('a token that is issued can be told by its audit event, which does not have the token', async () => {
  const lines: string[] = [];
  const policy = parseAuditPolicy({ ...head, rules: [{ level: 'RequestResponse' }] });
  await using server = await createTestServer({
    audit: { policy, write: (line) => void lines.push(line) },
    security: { serviceAccountKeys: await createTokenKeyPair() },
  });
  const accounts = '/api/v1/namespaces/default/serviceaccounts';
  await server.ask('POST', accounts, { metadata: { name: 'sa' } });
  const { object } = await server.ask('POST', `${accounts}/sa/token`, { spec: {} });
  const claims = JSON.parse(Buffer.from(object.status.token.split('.')[1], 'base64url').toString());
  const { annotations } = JSON.parse(lines.at(-1)!);
  assert.equal(annotations['authentication.kubernetes.io/issued-credential-id'], `JTI=${claims.jti}`);
  assert.ok(!lines.at(-1)!.includes(object.status.token));
});

test('the audit policy applies to the user who impersonates, not to the impersonated one', async () => {
  const lines: string[] = [];
  const rules = [{ level: 'Metadata', users: ['ann'] }, { level: 'None' }];
  const policy = parseAuditPolicy({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules });
  await using listening = await createListeningServer({
    audit: { policy, write: (line) => void lines.push(line) },
  });
  const ann = await listening.as('ann', ['system:masters']);
  const answer = await ann('GET', configMaps, { 'impersonate-user': 'bob' });
  assert.equal(answer.status, 403);
  const recorded = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    recorded.map(({ stage, user, impersonatedUser }) => [stage, user.username, impersonatedUser?.username]),
    [
      ['RequestReceived', 'ann', undefined],
      ['ResponseComplete', 'ann', 'bob'],
    ],
  );
  assert.deepEqual(
    recorded.map(({ authenticationMetadata }) => authenticationMetadata),
    [undefined, { impersonationConstraint: 'impersonate:user-info' }],
  );
});

test('who is let in neither as itself nor as somebody else is in the audit log, and from where the request came', async () => {
  const lines: string[] = [];
  const policy = parseAuditPolicy({
    ...head,
    omitStages: ['RequestReceived'],
    rules: [{ level: 'RequestResponse' }],
  });
  await using listening = await createListeningServer({
    audit: { policy, write: (line) => void lines.push(line) },
  });
  const identity = await listening.connect('eve');
  /** The last that does not come from the server's own components. */
  const event = () =>
    lines.map((line) => JSON.parse(line)).findLast(({ user }) => (user.username ?? 'eve') === 'eve');
  const ask = (headers: Record<string, string>, credentials: object = {}) =>
    exchange({
      host: '127.0.0.1',
      port: listening.port,
      path: configMaps,
      headers,
      agent: false,
      ca: identity.ca,
      ...credentials,
    });
  assert.equal((await ask({ authorization: 'Bearer wrong' })).status, 401);
  const { stage, user, responseStatus, auditID } = event();
  const unauthorized = { status: 'Failure', message: 'Unauthorized', reason: 'Unauthorized', code: 401 };
  assert.deepEqual([stage, user, responseStatus], ['ResponseStarted', {}, { metadata: {}, ...unauthorized }]);
  assert.match(auditID, /^[0-9a-f-]{36}$/);
  const refused = await ask(
    { 'impersonate-user': 'bob', 'user-agent': 'u'.repeat(2000), 'audit-id': 'known' },
    identity,
  );
  assert.equal(refused.status, 403);
  const denied = event();
  assert.deepEqual([denied.auditID, refused.headers['audit-id']], ['known', 'known']);
  assert.deepEqual(
    [denied.stage, denied.user.username, denied.impersonatedUser, denied.responseStatus.code],
    ['ResponseComplete', 'eve', undefined, 403],
  );
  assert.equal(denied.userAgent, `${'u'.repeat(1024)}...TRUNCATED`);
  await ask({ 'x-forwarded-for': '10.0.0.1, odd, 10.0.0.2', 'x-real-ip': '10.0.0.3' }, identity);
  assert.deepEqual(event().sourceIPs, ['10.0.0.1', '10.0.0.2', '10.0.0.3', '127.0.0.1']);
});

test('an audit event says that an API version is deprecated, and when it goes', async () => {
  const lines: string[] = [];
  const policy = parseAuditPolicy({ ...head, rules: [{ level: 'Metadata' }] });
  await using server = await createTestServer({
    audit: { policy, write: (line) => void lines.push(line) },
  });
  const annotationsOf = async (path: string) => {
    await server.ask('GET', path);
    const { annotations } = JSON.parse(lines.at(-1)!);
    return [annotations['k8s.io/deprecated'], annotations['k8s.io/removed-release']];
  };
  assert.deepEqual(await annotationsOf('/apis/apps/v1beta1/namespaces/default/deployments'), [
    'true',
    '1.16',
  ]);
  assert.deepEqual(await annotationsOf('/api/v1/namespaces/default/endpoints'), ['true', undefined]);
  assert.deepEqual(await annotationsOf('/apis/apps/v1/namespaces/default/deployments'), [
    undefined,
    undefined,
  ]);
});

test('an audit event has the object with its defaults, and the resource version that a write is meant for', async () => {
  const lines: string[] = [];
  const policy = parseAuditPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Request' }],
  });
  await using server = await createTestServer({ audit: { policy, write: (line) => void lines.push(line) } });
  const services = '/api/v1/namespaces/default/services';
  const { object } = await server.ask('POST', services, {
    metadata: { name: 's' },
    spec: { ports: [{ port: 80 }] },
  });
  const created = JSON.parse(lines.at(-1)!);
  assert.deepEqual(created.requestObject.spec.ports, [{ port: 80, protocol: 'TCP', targetPort: 80 }]);
  assert.equal(created.requestObject.metadata.uid, undefined);
  const { uid, resourceVersion } = object.metadata;
  await server.ask('PUT', `${services}/s`, object);
  const { objectRef } = JSON.parse(lines.at(-1)!);
  assert.deepEqual([objectRef.uid, objectRef.resourceVersion], [uid, resourceVersion]);
});

test('a long-running request has an event when it begins and another when it ends', async () => {
  const events: { stage: string; verb: string; responseStatus?: { code: number; message?: string } }[] = [];
  const policy = parseAuditPolicy({ ...head, rules: [{ level: 'Metadata', users: ['ann'] }] });
  await using listening = await createListeningServer({
    audit: { policy, write: (line) => void events.push(JSON.parse(line)) },
  });
  const send = await listening.as('ann', ['system:masters']);
  const recorded = () =>
    events
      .splice(0)
      .map(({ stage, responseStatus }) => [stage, ...(responseStatus ? [responseStatus.code] : [])]);
  await send('GET', '/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1');
  assert.deepEqual(recorded(), [['RequestReceived'], ['ResponseStarted', 200], ['ResponseComplete', 200]]);
  await send('GET', '/api/v1/namespaces/default/configmaps?watch=1', { accept: 'text/html' });
  assert.equal(recorded().at(-1)?.[0], 'ResponseComplete', 'also when it cannot begin');
  await send('POST', '/api/v1/namespaces/default/pods/none/exec?command=a');
  assert.deepEqual(
    events.splice(0).map(({ responseStatus }) => responseStatus?.message),
    [undefined, 'pods "none" not found', 'pods "none" not found'],
  );
  await send('GET', '/api/v1/namespaces/default/pods/none/log');
  assert.deepEqual(recorded(), [['RequestReceived'], ['ResponseStarted', 404], ['ResponseComplete', 404]]);
  await send('GET', '/api/v1/namespaces/default/pods/none');
  assert.deepEqual(recorded(), [['RequestReceived'], ['ResponseComplete', 404]]);
});

test('a log that cannot be written fails no request: what is lost is counted, and reported once', async () => {
  const metrics = new MetricsRegistry();
  const reported: string[] = [];
  const logger = { ...silentLogger, error: (text: string) => reported.push(text) };
  let isFull = true;
  const lines: string[] = [];
  const log = new AuditLog({
    policy: parseAuditPolicy({ ...head, rules: [{ level: 'Metadata' }] }),
    write(line) {
      if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      lines.push(line);
    },
    clock: new VirtualClock(),
    metrics,
    logger,
  });
  const context = sparse<RequestContext>({
    info,
    user: ann,
    auditId: 'a',
    request: { path: info.path, search: '', remoteAddress: '127.0.0.1', header: () => undefined },
  });
  const ask = () => log.around(context, async () => ({ type: 'plain', status: 200, object: {} }));
  assert.deepEqual(await ask(), { type: 'plain', status: 200, object: {} });
  assert.deepEqual(reported, ['the audit log cannot be written; requests go on']);
  const lost = Number(/^apiserver_audit_error_total\{plugin="log"\} (\d+)$/m.exec(metrics.expose())![1]);
  assert.ok(lost >= 2);
  isFull = false;
  await ask();
  assert.equal(lines.length, lost);
});

test('a watch whose HTTP/2 connection breaks is over, in the audit log and in the metrics', {
  timeout: 20_000,
}, async () => {
  const lines: string[] = [];
  const policy = parseAuditPolicy({
    ...head,
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Metadata' }],
  });
  await using listening = await createListeningServer({
    audit: { policy, write: (line) => void lines.push(line) },
  });
  const session = connectHttp2(
    `https://127.0.0.1:${listening.port}`,
    await listening.connect('ann', [mastersGroup]),
  );
  const path = '/api/v1/namespaces/default/pods?watch=1&fieldSelector=metadata.name%3Dp';
  const stream = session.request({ ':path': path });
  await once(stream, 'response');
  session.destroy();
  const ofWatch = () => lines.map((line) => JSON.parse(line)).filter(({ verb }) => verb === 'watch');
  while (ofWatch().length < 2) await systemClock.sleep(5);
  const [started, completed] = ofWatch();
  assert.deepEqual([started.stage, completed.stage], ['ResponseStarted', 'ResponseComplete']);
  assert.deepEqual(completed.sourceIPs, ['127.0.0.1']);
  assert.equal(completed.objectRef.name, 'p');
  const ask = await listening.as('ann', [mastersGroup]);
  const open = /^apiserver_longrunning_requests{.*resource="pods"/m;
  while (open.test(String((await ask('GET', '/metrics')).body))) await systemClock.sleep(5);
});
