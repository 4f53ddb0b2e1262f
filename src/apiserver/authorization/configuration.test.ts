import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { readAuthorizationConfiguration } from './configuration.ts';

function read(yaml: string) {
  const text = `apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n${yaml}`;
  return readAuthorizationConfiguration(parse(text), (path) =>
    path === '/there' ? undefined : 'error loading file: none',
  );
}

const base = {
  timeout: '3s',
  subjectAccessReviewVersion: 'v1',
  matchConditionSubjectAccessReviewVersion: 'v1',
  failurePolicy: 'Deny',
  connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/there' },
};
const hook = (more: object = {}) =>
  `authorizers: [{type: Webhook, name: w, webhook: ${JSON.stringify({ ...base, ...more })}}]`;
const conditions = (...expressions: string[]) =>
  hook({ matchConditions: expressions.map((expression) => ({ expression })) });

const wrong: [yaml: string, message: RegExp | string][] = [
  ['', 'authorizers: Required value: at least one authorization mode must be defined'],
  ['authorizers: [{name: x}]', 'authorizers[0].type: Required value'],
  [
    'authorizers: [{type: Magic, name: x}]',
    'authorizers[0].type: Unsupported value: "Magic": supported values: "ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"',
  ],
  [
    'authorizers: [{type: RBAC, name: rbac}, {type: RBAC, name: rbac2}]',
    'authorizers[1].type: Duplicate value: "RBAC"',
  ],
  ['authorizers: [{type: RBAC}]', 'authorizers[0].name: Required value'],
  ['authorizers: [{type: RBAC, name: mine}]', 'expected name rbac for authorizer RBAC instead of mine'],
  [
    'authorizers: [{type: RBAC, name: UPPER}]',
    /^authorizers\[0\].name: Invalid value: "UPPER": authorizer name is invalid: a lowercase RFC 1123 subdomain/,
  ],
  [
    'authorizers: [{type: RBAC, name: rbac, webhook: {}}]',
    'authorizers[0].webhook: Invalid value: "non-null": may only be specified when type=Webhook',
  ],
  [
    'authorizers: [{type: Webhook, name: w}]',
    'authorizers[0].webhook: Required value: required when type=Webhook',
  ],
  [
    'authorizers: [{type: RBAC, name: rbac, nam: x}]',
    'strict decoding error: unknown field "authorizers[0].nam"',
  ],
  [hook({ timeout: undefined }), 'authorizers[0].timeout: Required value'],
  [hook({ timeout: '31s' }), 'authorizers[0].timeout: Invalid value: "31s": must be > 0s and <= 30s'],
  [hook({ authorizedTTL: '-1s' }), 'authorizers[0].authorizedTTL: Invalid value: "-1s": must be > 0s'],
  [hook({ unauthorizedTTL: '0s' }), 'authorizers[0].unauthorizedTTL: Required value'],
  [hook({ failurePolicy: undefined }), 'authorizers[0].failurePolicy: Required value'],
  [
    hook({ failurePolicy: 'Allow' }),
    'authorizers[0].failurePolicy: Unsupported value: "Allow": supported values: "Deny", "NoOpinion"',
  ],
  [
    hook({ subjectAccessReviewVersion: undefined }),
    'authorizers[0].subjectAccessReviewVersion: Required value',
  ],
  [
    hook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'here' } }),
    'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "here": must be an absolute path',
  ],
  [
    hook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/away' } }),
    'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "/away": error loading file: none',
  ],
  [
    hook({ matchConditionSubjectAccessReviewVersion: undefined, matchConditions: [{ expression: 'true' }] }),
    'authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: required if match conditions are specified',
  ],
  [conditions('true', 'true'), 'authorizers[0].matchConditions[1].expression: Duplicate value: "true"'],
  [conditions(' '), 'authorizers[0].matchConditions[0].expression: Required value'],
  [
    conditions('request.'),
    /matchConditions\[0\].expression: Invalid value: "request.": compilation failed: /,
  ],
  [conditions('request.usr == ""'), /compilation failed: .*undefined field 'usr'/],
  [conditions('object.x'), /compilation failed: /],
  [conditions('"a"'), /must evaluate to bool/],
  [
    conditions(...Array.from({ length: 65 }, (_, at) => `request.user == "${at}"`)),
    /Too many: 65: must have at most 64 items/,
  ],
];

for (const [yaml, message] of wrong)
  test(`an invalid configuration is refused: ${yaml.slice(0, 100)}`, () =>
    assert.throws(() => read(yaml), { message }));

test("the defaults of a configuration are upstream's", () => {
  const [webhook, node, rbac] = read(
    `${hook({ cacheUnauthorizedRequests: false }).slice(0, -1)}, {type: Node, name: node}, {type: RBAC, name: rbac}]`,
  );
  assert.deepEqual(
    [node, rbac],
    [
      { type: 'Node', name: 'node' },
      { type: 'RBAC', name: 'rbac' },
    ],
  );
  assert.ok(webhook?.type === 'Webhook');
  const { authorizedTtlMs, unauthorizedTtlMs, timeoutMs, onFailure } = webhook.webhook;
  assert.deepEqual([authorizedTtlMs, unauthorizedTtlMs, timeoutMs, onFailure], [300_000, 0, 3_000, 'Deny']);
});

test('another kind is refused', () => {
  assert.throws(() => readAuthorizationConfiguration({ apiVersion: 'v1', kind: 'Pod' }, () => undefined), {
    message: /^no kind "Pod" is registered for version "v1"/,
  });
});
