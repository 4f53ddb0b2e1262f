import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../../../base/metrics.ts';
import { parseAuditPolicy } from '../../../audit/policy.ts';
import { createTestServer, mergePatch } from '../../../server.fixture.ts';

const prefix = 'pod-security.kubernetes.io/';
const namespace = (name: string, labels: Record<string, string>) => ({
  metadata: {
    name,
    labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [prefix + key, value])),
  },
});
const spec = { containers: [{ name: 'c', image: 'i' }], hostNetwork: true };
const template = { metadata: { labels: { a: 'b' } }, spec };

test('labels that say nothing are refused, unless they were there before', async () => {
  await using server = await createTestServer();
  const wrong = await server.ask(
    'POST',
    '/api/v1/namespaces',
    namespace('a', { enforce: 'strict', 'warn-version': '1.3' }),
  );
  assert.equal(wrong.status, 422);
  assert.equal(
    wrong.object.message,
    'Namespace "a" is invalid: [' +
      'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted, ' +
      'metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.3": must be "latest" or "v1.x"]',
  );
  await server.ask('POST', '/api/v1/namespaces', namespace('a', { enforce: 'baseline' }));
  const patch = namespace('a', { audit: 'x' });
  assert.equal((await server.ask('PATCH', '/api/v1/namespaces/a', patch, mergePatch)).status, 422);
});

test('modes: what is refused, and what the client, the audit log and the metrics get', async () => {
  const lines: string[] = [];
  const metrics = new MetricsRegistry();
  const policy = parseAuditPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Metadata' }],
  });
  await using server = await createTestServer({
    metrics,
    audit: { policy, write: (line) => void lines.push(line) },
  });
  const annotations = () => JSON.parse(lines.at(-1)!).annotations;
  const labels = { enforce: 'baseline', 'enforce-version': 'v1.30', audit: 'restricted' };
  await server.ask('POST', '/api/v1/namespaces', namespace('n', labels));
  await server.ask('POST', '/api/v1/namespaces/n/serviceaccounts', { metadata: { name: 'default' } });
  const refused = await server.ask('POST', '/api/v1/namespaces/n/pods', { metadata: { name: 'p' }, spec });
  const why = 'host namespaces (hostNetwork=true)';
  assert.equal(
    refused.object.message,
    `pods "p" is forbidden: violates PodSecurity "baseline:v1.30": ${why}`,
  );
  assert.equal(annotations()[`${prefix}enforce-policy`], 'baseline:v1.30');
  assert.match(
    annotations()[`${prefix}audit-violations`],
    /^would violate PodSecurity "restricted:latest": /,
  );
  const deployment = { metadata: { name: 'd' }, spec: { selector: { matchLabels: { a: 'b' } }, template } };
  const made = await server.ask('POST', '/apis/apps/v1/namespaces/n/deployments', deployment);
  assert.equal(made.status, 201);
  assert.match(annotations()[`${prefix}audit-violations`], /hostNetwork=true/);
  const text = metrics.expose();
  const denied = (policy: string, mode: string, resource: string) => {
    const [level, version] = policy.split(':');
    return `pod_security_evaluations_total{decision="deny",policy_level="${level}",policy_version="${version}",mode="${mode}",request_operation="create",resource="${resource}",subresource=""} 1\n`;
  };
  assert.ok(text.includes(denied('baseline:v1.30', 'enforce', 'pod')), text);
  assert.ok(text.includes(denied('restricted:latest', 'audit', 'controller')));
  // Without a level for warnings, the enforced one applies.
  assert.ok(text.includes(denied('baseline:v1.30', 'warn', 'controller')));
});

test('a pod that its namespace would refuse now may be annotated, and gets no other image', async () => {
  await using server = await createTestServer();
  const inDefault = '/api/v1/namespaces/default';
  await server.ask('POST', `${inDefault}/serviceaccounts`, { metadata: { name: 'default' } });
  await server.ask('POST', `${inDefault}/pods`, { metadata: { name: 'p' }, spec });
  const { metadata } = namespace('default', { enforce: 'baseline' });
  await server.ask('PATCH', inDefault, { metadata }, mergePatch);
  const change = async (body: object) =>
    (await server.ask('PATCH', `${inDefault}/pods/p`, body, 'application/strategic-merge-patch+json')).status;
  assert.equal(await change({ metadata: { annotations: { a: 'b' } } }), 200);
  assert.equal(await change({ spec: { containers: [{ name: 'c', image: 'other' }] } }), 403);
});
