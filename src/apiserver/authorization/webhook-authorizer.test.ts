import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCel } from '../../api/cel/environment.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { AuthorizationMetrics } from '../metrics/authorization-metrics.ts';
import { AnswerStatusError } from '../outgoing/post-json.ts';
import type { Attributes } from './authorizer.ts';
import type { WebhookSettings } from './configuration.ts';
import { webhookAuthorizer } from './webhook-authorizer.ts';

const jane: Attributes = {
  user: { name: 'jane', groups: ['devs'], extra: { scopes: ['a'] } },
  verb: 'get',
  isResource: true,
  path: '/api/v1/namespaces/ns/pods/p',
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'ns',
  name: 'p',
};

const answer = (status: object) => () =>
  Promise.resolve(
    JSON.stringify({ kind: 'SubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', status }),
  );

function hook(reply: () => Promise<string>, more: Partial<WebhookSettings> = {}) {
  const asked: { spec: Record<string, unknown> }[] = [];
  const clock = new VirtualClock();
  const registry = new MetricsRegistry();
  const authorize = webhookAuthorizer({
    name: 'w',
    settings: {
      authorizedTtlMs: 300_000,
      unauthorizedTtlMs: 30_000,
      timeoutMs: 3_000,
      version: 'v1',
      onFailure: 'Deny',
      conditions: [],
      ...more,
    },
    post: (body) => {
      asked.push(JSON.parse(body));
      return reply();
    },
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics: new AuthorizationMetrics(registry),
  });
  return { asked, clock, authorize, metrics: () => registry.expose() };
}

test('a review has the user and the request, without empty fields', async () => {
  const { asked, authorize } = hook(answer({ allowed: true, reason: 'because' }));
  assert.deepEqual(await authorize(jane), { allowed: true, reason: 'because' });
  assert.deepEqual(asked[0]!.spec, {
    resourceAttributes: { namespace: 'ns', verb: 'get', version: 'v1', resource: 'pods', name: 'p' },
    user: 'jane',
    groups: ['devs'],
    extra: { scopes: ['a'] },
  });
  const selected = {
    fields: [{ key: 'spec.nodeName', operator: 'In' as const, values: ['n1'] }],
    labels: [
      { key: 'a', operator: 'Exists' as const, values: [] },
      { key: 'b', operator: 'Gt' as const, values: ['1'] },
    ],
  };
  await authorize({ ...jane, verb: 'list', name: '', selected: () => selected });
  assert.deepEqual(asked[1]!.spec.resourceAttributes, {
    ...{ namespace: 'ns', verb: 'list', version: 'v1', resource: 'pods' },
    fieldSelector: { requirements: selected.fields },
    labelSelector: { requirements: [{ key: 'a', operator: 'Exists' }] },
  });
  await authorize({ ...jane, isResource: false, path: '/metrics' });
  assert.deepEqual(asked[2]!.spec.nonResourceAttributes, { path: '/metrics', verb: 'get' });
});

test('an answer is remembered for its time: what is allowed and what is not', async () => {
  for (const [status, ttlMs] of [
    [{ allowed: true }, 300_000],
    [{ allowed: false }, 30_000],
  ] as const) {
    const { asked, clock, authorize } = hook(answer(status));
    await authorize(jane);
    await clock.advance(ttlMs - 1);
    assert.equal((await authorize(jane)).allowed, status.allowed);
    assert.equal(asked.length, 1);
    await clock.advance(2);
    await authorize(jane);
    assert.equal(asked.length, 2);
  }
});

test('conditions choose what is asked; one that fails is a failure of the webhook', async () => {
  const { asked, authorize, metrics } = hook(answer({ allowed: true }), {
    conditions: [
      compileCel('has(request.resourceAttributes)', ['request']),
      compileCel('request.resourceAttributes.namespace == "ns"', ['request']),
      compileCel('!("x" in request.extra) || request.extra["x"][5] == ""', ['request']),
    ],
  });
  assert.deepEqual(await authorize({ ...jane, isResource: false }), { allowed: false });
  assert.deepEqual(await authorize({ ...jane, namespace: 'other' }), { allowed: false });
  assert.equal(asked.length, 0);
  const failed = await authorize({ ...jane, user: { ...jane.user, extra: { x: [] } } });
  assert.equal(failed.denied && failed.failed, true);
  assert.match(failed.evaluationError!, /^cel evaluation error: expression '.*' resulted in error: /);
  assert.equal((await authorize(jane)).allowed, true);
  assert.match(metrics(), /match_condition_exclusions_total\{type="Webhook",name="w"\} 2\n/);
  assert.match(metrics(), /match_condition_evaluation_errors_total\{type="Webhook",name="w"\} 1\n/);
});

const connectionReset = () =>
  Promise.reject(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
const refused = () => Promise.reject(Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED' }));

const failures: [string, () => Promise<string>, tries: number][] = [
  ['a connection that breaks is tried again', connectionReset, 5],
  ['a server that is not well is tried again', () => Promise.reject(new AnswerStatusError(500, 'no')), 5],
  ['nobody at home is final', refused, 1],
  ['another answer is final', () => Promise.resolve('{"kind":"Pod"}'), 1],
  ['no JSON is final', () => Promise.resolve('<html>'), 1],
];
for (const [name, reply, tries] of failures)
  test(`a failing webhook: ${name}`, async () => {
    const { asked, authorize, clock, metrics } = hook(reply, { onFailure: 'NoOpinion' });
    const pending = authorize(jane);
    await clock.advance(20_000);
    const decision = await pending;
    assert.deepEqual([decision.allowed, decision.denied, decision.failed], [false, undefined, true]);
    assert.equal(asked.length, tries);
    assert.match(metrics(), /webhook_evaluations_fail_open_total\{name="w",result="error"\} 1\n/);
  });

test('both allowed and denied is denied', async () => {
  const decision = await hook(answer({ allowed: true, denied: true })).authorize(jane);
  assert.deepEqual([decision.allowed, decision.denied, decision.failed], [false, true, true]);
});
