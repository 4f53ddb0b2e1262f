import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CelError } from '../../api/cel/environment.ts';
import { createTestServer } from '../server.fixture.ts';
import { compileConditions, conditionsHold } from './conditions.ts';

const broken = { name: 'broken', expression: '... [] bad expression' };

test('a condition that is no expression is refused where it is written', async () => {
  await using server = await createTestServer();
  const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const webhook = {
    name: 'a.example.com',
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    clientConfig: { url: 'https://127.0.0.1:1' },
    matchConditions: [broken],
  };
  const { status, object } = await server.ask('POST', path, { metadata: { name: 'w' }, webhooks: [webhook] });
  assert.equal(status, 422);
  assert.match(object.message, /webhooks\[0\]\.matchConditions\[0\]\.expression: .*compilation failed/);
});

test('an invalid condition that is already stored fails when it is evaluated, not before', () => {
  const conditions = compileConditions([{ name: 'not', expression: 'object.a == 1' }, broken]);
  assert.equal(conditionsHold(conditions, { object: { a: 2 } }), false);
  assert.throws(() => conditionsHold(conditions, { object: { a: 1 } }), CelError);
});
