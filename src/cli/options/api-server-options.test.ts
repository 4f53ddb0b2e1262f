import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiServerSettings } from '../../host/processes/process-config.ts';
import { UsageError } from '../context.ts';
import { apiServerOptions, apiServerSettings } from './api-server-options.ts';
import { parseOptions } from './parse-options.ts';

const settingsOf = (...args: string[]) => apiServerSettings(parseOptions(args, apiServerOptions).values);
const provider = ['--oidc-issuer-url=https://id.example', '--oidc-client-id', 'k'];

const cases: [string, string[], ApiServerSettings | undefined][] = [
  ['nothing', [], undefined],
  ['a provider', provider, { oidc: { issuerUrl: 'https://id.example', clientId: 'k' } }],
  [
    'all of a provider',
    [
      ...provider,
      '--oidc-username-claim=email',
      '--oidc-groups-claim=roles',
      '--oidc-groups-prefix=id:',
      '--oidc-required-claim=a=b',
      '--oidc-required-claim=c=d=e',
      '--oidc-signing-algs=RS256,ES256',
      '--oidc-ca-file=/ca.pem',
    ],
    {
      oidc: {
        issuerUrl: 'https://id.example',
        clientId: 'k',
        usernameClaim: 'email',
        groupsClaim: 'roles',
        groupsPrefix: 'id:',
        requiredClaims: { a: 'b', c: 'd=e' },
        signingAlgorithms: ['RS256', 'ES256'],
        caFile: '/ca.pem',
      },
    },
  ],
  ['several providers', ['--authentication-config=/a.yaml'], { authenticationConfigFile: '/a.yaml' }],
  ['who is asked', ['--authorization-config=/a.yaml'], { authorizationConfigFile: '/a.yaml' }],
  [
    'an audit log',
    ['--audit-policy-file=/p.yaml', '--audit-log-path=-'],
    { audit: { policyFile: '/p.yaml', logFile: '-' } },
  ],
  [
    'limits',
    ['--max-requests-inflight=50', '--request-timeout=2m'],
    { requestSeats: 250, requestTimeoutMs: 120_000 },
  ],
];

for (const [name, args, expected] of cases)
  test(`options of the API server: ${name}`, () => assert.deepEqual(settingsOf(...args), expected));

const wrong: [string, string[]][] = [
  ['a provider without a client', ['--oidc-issuer-url=https://x']],
  ['a provider in the clear', ['--oidc-issuer-url=http://x', '--oidc-client-id=k']],
  ['providers in two ways', [...provider, '--authentication-config=/a.yaml']],
  ['a claim without a value', [...provider, '--oidc-required-claim=a']],
  ['a policy without a log', ['--audit-policy-file=x']],
  ['no requests at all', ['--max-requests-inflight=0']],
  ['a time that is none', ['--request-timeout=5']],
];

for (const [name, args] of wrong)
  test(`refused: ${name}`, () => assert.throws(() => settingsOf(...args), UsageError));
