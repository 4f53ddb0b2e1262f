import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '../../api/resources.gen.ts';
import { createClient } from '../../client/create-client.ts';
import { configMap, configMaps, createTestServer } from '../server.fixture.ts';
import type { Attributes, Decision } from './authorizer.ts';
import { AuthorizationChain } from './configured-authorization.ts';

const jane = { name: 'jane', groups: ['system:authenticated'] };

/** A webhook that answers a moment later, and records the questions. */
function lateWebhook(decide: (attributes: Attributes) => Decision) {
  const asked: string[] = [];
  const ask = async (attributes: Attributes) => {
    asked.push(`${attributes.verb} ${attributes.resource} ${attributes.name}`);
    await new Promise((resolve) => setImmediate(resolve));
    return decide(attributes);
  };
  return { asked, entry: { type: 'Webhook' as const, name: 'w', ask } };
}

test('a chain is asked in its order, and may be replaced while the server runs', async () => {
  const { entry } = lateWebhook(({ name }) => ({ allowed: name === 'mine' }));
  const authorization = new AuthorizationChain([entry, { type: 'RBAC', name: 'rbac' }]);
  await using server = await createTestServer({ security: { authorization } });
  await server.ask('POST', configMaps, configMap('mine'));
  await server.ask('POST', configMaps, configMap('theirs'));
  const client = createClient(server.api.localTransport(jane));
  assert.ok(await client.get(ConfigMap, { namespace: 'default', name: 'mine' }));
  await assert.rejects(client.get(ConfigMap, { namespace: 'default', name: 'theirs' }), { code: 403 });
  const review = {
    spec: { resourceAttributes: { verb: 'get', resource: 'configmaps', name: 'mine' }, user: 'jane' },
  };
  const reviews = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  assert.equal((await server.ask('POST', reviews, review)).object.status.allowed, true);
  authorization.current = [{ type: 'AlwaysDeny', name: 'alwaysdeny' }];
  await assert.rejects(client.get(ConfigMap, { namespace: 'default', name: 'mine' }), {
    code: 403,
    message: /Everything is forbidden\.$/,
  });
});

test('a webhook that fails is no refusal, but an error of the server', async () => {
  const failed = { allowed: false, evaluationError: 'Post "https://w": no', failed: true };
  const { entry } = lateWebhook(() => failed);
  const authorization = new AuthorizationChain([entry, { type: 'RBAC', name: 'rbac' }]);
  await using server = await createTestServer({ security: { authorization } });
  const transport = server.api.localTransport(jane);
  const answer = await transport.send({ method: 'GET', path: configMaps });
  assert.equal(answer.status, 500);
  assert.equal(
    'object' in answer && answer.object,
    `Internal Server Error: "${configMaps}": Post "https://w": no\n`,
  );
});

test('expressions of policies get the answers of webhooks, too', async () => {
  const { entry, asked } = lateWebhook(({ verb, name }) => ({
    allowed: verb === 'create' || (verb === 'bless' && name === 'b'),
  }));
  const authorization = new AuthorizationChain([entry]);
  await using server = await createTestServer({ security: { authorization } });
  const group = '/apis/admissionregistration.k8s.io/v1';
  const check = (name: string) =>
    `authorizer.group("").resource("configmaps").name("${name}").check("bless").allowed()`;
  const made = await server.ask('POST', `${group}/validatingadmissionpolicies`, {
    metadata: { name: 'p' },
    spec: {
      matchConstraints: {
        resourceRules: [
          { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
        ],
      },
      matchConditions: [{ name: 'c', expression: check('b') }],
      validations: [{ expression: `!${check('b')} || ${check('a')}`, message: 'not blessed' }],
    },
  });
  assert.equal(made.status, 201, JSON.stringify(made.object));
  await server.ask('POST', `${group}/validatingadmissionpolicybindings`, {
    metadata: { name: 'p' },
    spec: { policyName: 'p', validationActions: ['Deny'] },
  });
  const client = createClient(server.api.localTransport(jane));
  await assert.rejects(client.create(ConfigMap, { metadata: { namespace: 'default', name: 'x' } }), {
    code: 422,
    message: /denied request: not blessed$/,
  });
  assert.ok(asked.includes('bless configmaps a'), asked.join());
});
