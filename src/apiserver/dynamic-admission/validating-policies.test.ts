import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { createListeningServer, type ListeningServer, type Send } from '../http/listener.fixture.ts';
import { configMap, configMaps, type TestServer } from '../server.fixture.ts';

suite('validating policies', () => {
  const group = '/apis/admissionregistration.k8s.io/v1';
  const policies = `${group}/validatingadmissionpolicies`;
  const bindings = `${group}/validatingadmissionpolicybindings`;
  const rule = (resource: string) => ({
    apiGroups: [''],
    apiVersions: ['v1'],
    operations: ['CREATE'],
    resources: [resource],
  });

  let listening: ListeningServer;
  let server: TestServer;
  let send: Send;

  before(async () => {
    listening = await createListeningServer();
    ({ server } = listening);
    send = await listening.as('admin', ['system:masters']);
  });
  after(() => listening[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const path of [policies, bindings]) await server.ask('DELETE', path);
  });

  interface Given {
    resource?: string;
    spec: object;
    binding?: object;
  }

  async function bound(name: string, { resource = 'configmaps', spec, binding }: Given): Promise<void> {
    const matchConstraints = { resourceRules: [rule(resource)] };
    const made = [
      await server.ask('POST', policies, { metadata: { name }, spec: { matchConstraints, ...spec } }),
      await server.ask('POST', bindings, {
        metadata: { name: `${name}-binding` },
        spec: { policyName: name, validationActions: ['Deny'], ...binding },
      }),
    ];
    for (const { status, object } of made) assert.equal(status, 201, JSON.stringify(object));
  }

  async function create(path: string, object: object) {
    const type = { 'content-type': 'application/json' };
    const { status, headers, body } = await send('POST', `${path}?dryRun=All`, type, JSON.stringify(object));
    const { message } = JSON.parse(body.toString()) as { message?: string };
    return { status, message, warning: headers.warning };
  }

  const never = (more: object = {}) => ({ validations: [{ expression: 'false', ...more }] });

  test('who is refused by one policy is warned by the others nevertheless', async () => {
    await bound('a-denies', { spec: never({ message: ' no ' }) });
    await bound('b-warns', { spec: never(), binding: { validationActions: ['Warn'] } });
    const { status, message, warning } = await create(configMaps, configMap('x'));
    assert.equal(status, 422);
    assert.match(message!, /'a-denies' with binding 'a-denies-binding' denied request: no$/);
    assert.equal(
      warning,
      `299 - "Validation failed for ValidatingAdmissionPolicy 'b-warns' with binding 'b-warns-binding': failed expression: false"`,
    );
  });

  test('parameters that are not to be had refuse a request, unless failures are to be ignored', async () => {
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
    const missing = { name: 'none', parameterNotFoundAction: 'Deny' };
    const why = 'no params found for policy binding with `Deny` parameterNotFoundAction';
    const namespaces = '/api/v1/namespaces';
    const rows: [given: Given, path: string, object: object, refusal: RegExp | undefined][] = [
      [
        { spec: { ...never(), paramKind }, binding: { paramRef: missing } },
        configMaps,
        configMap('x'),
        new RegExp(`'p' with binding 'p-binding' denied request: failed to configure binding: ${why}$`),
      ],
      [
        { spec: { ...never(), paramKind, failurePolicy: 'Ignore' }, binding: { paramRef: missing } },
        configMaps,
        configMap('x'),
        undefined,
      ],
      [
        { resource: 'nodes', spec: { ...never(), paramKind }, binding: { paramRef: missing } },
        '/api/v1/nodes',
        { metadata: { name: 'n' } },
        /failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources$/,
      ],
      [
        { resource: 'namespaces', spec: { ...never(), paramKind }, binding: { paramRef: missing } },
        namespaces,
        { metadata: { name: 'of-its-own' } },
        new RegExp(`${why}$`),
      ],
      [
        {
          spec: { ...never(), paramKind: { apiVersion: 'v1', kind: 'Namespace' } },
          binding: { paramRef: { ...missing, namespace: 'default' } },
        },
        configMaps,
        configMap('x'),
        /failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`$/,
      ],
      [
        {
          spec: { ...never(), paramKind: { apiVersion: 'v1', kind: 'None' } },
          binding: { paramRef: missing },
        },
        configMaps,
        configMap('x'),
        /ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: '\/v1, Kind=None'/,
      ],
    ];
    for (const [given, path, object, refusal] of rows) {
      await bound('p', given);
      const { status, message } = await create(path, object);
      if (refusal) assert.match(message!, refusal);
      else assert.equal(status, 201, message);
      await server.ask('DELETE', `${policies}/p`);
      await server.ask('DELETE', `${bindings}/p-binding`);
    }
  });

  test('a note that cannot be made refuses the request, whatever the actions are', async () => {
    const auditAnnotations = [{ key: 'k', valueExpression: "'x' + object.data['none']" }];
    await bound('notes', { spec: { auditAnnotations }, binding: { validationActions: ['Warn'] } });
    const { status, message, warning } = await create(configMaps, configMap('x', { a: 'b' }));
    assert.equal(status, 422);
    assert.match(
      message!,
      /denied request: expression ''x' \+ object\.data\['none'\]' resulted in error: no such key/,
    );
    assert.equal(warning, undefined);
  });

  test('a message that is too long or has several lines gives way to the fixed one', async () => {
    const rows: [expression: string, message: string][] = [
      ["' said '", 'said'],
      ["'a\\nb'", 'fixed'],
      ["'x'.replace('x', object.data.long)", 'fixed'],
      ["''", 'fixed'],
    ];
    for (const [messageExpression, expected] of rows) {
      await bound('m', { spec: never({ messageExpression, message: 'fixed' }) });
      const { message } = await create(configMaps, configMap('x', { long: 'y'.repeat(6_000) }));
      assert.ok(message!.endsWith(`denied request: ${expected}`), `${messageExpression}: ${message}`);
      await server.ask('DELETE', `${policies}/m`);
      await server.ask('DELETE', `${bindings}/m-binding`);
    }
  });
});
