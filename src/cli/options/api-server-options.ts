/** Options of the API server under upstream's names, for every command that starts one. */
import { resolve } from 'node:path';
import { parseGoDuration } from '../../base/text/go-duration.ts';
import type { ApiServerSettings } from '../../host/processes/process-config.ts';
import { UsageError } from '../context.ts';
import { parseCount } from './parse-options.ts';

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;

export const apiServerOptions = {
  'oidc-issuer-url': text,
  'oidc-client-id': text,
  'oidc-username-claim': text,
  'oidc-username-prefix': text,
  'oidc-groups-claim': text,
  'oidc-groups-prefix': text,
  'oidc-required-claim': texts,
  'oidc-signing-algs': text,
  'oidc-ca-file': text,
  'authentication-config': text,
  'authorization-config': text,
  'audit-policy-file': text,
  'audit-log-path': text,
  'max-requests-inflight': text,
  'max-mutating-requests-inflight': text,
  'request-timeout': text,
} as const;

/** Those whose values are files that the server reads. */
export const apiServerFileOptions = [
  'oidc-ca-file',
  'authentication-config',
  'authorization-config',
  'audit-policy-file',
] as const satisfies (keyof typeof apiServerOptions)[];

export const apiServerDetails: readonly string[] = [
  "--oidc-issuer-url URL --oidc-client-id ID  who logs in at an OpenID Connect provider may ask; also upstream's",
  '                         --oidc-{username,groups}-{claim,prefix}, --oidc-required-claim, --oidc-signing-algs, --oidc-ca-file',
  '--authentication-config FILE  an AuthenticationConfiguration: several issuers, claims and rules; read anew when it changes',
  '--authorization-config FILE  an AuthorizationConfiguration: Node, RBAC and webhooks in order; read anew when it changes',
  '--audit-policy-file FILE --audit-log-path FILE  write down who asked what; `-` for the output',
  '--max-requests-inflight N --max-mutating-requests-inflight N  requests at work at once',
  '--request-timeout DURATION  the time that an ordinary request has; 1m0s unless said',
];

type Values = { [Name in keyof typeof apiServerOptions]?: string | string[] | undefined };

/** Undefined when nothing was said. @throws UsageError */
export function apiServerSettings(values: Values): ApiServerSettings | undefined {
  const said = Object.keys(apiServerOptions).some((name) => values[name as keyof Values] !== undefined);
  if (!said) return undefined;
  const oidc = openIdConnectOf(values);
  const authenticationConfig = textOf(values, 'authentication-config');
  const authorizationConfig = textOf(values, 'authorization-config');
  const saysOidc = Object.keys(values).some(
    (name) => name.startsWith('oidc-') && values[name as keyof Values],
  );
  if (authenticationConfig && saysOidc)
    throw new UsageError('--authentication-config and the --oidc-… options exclude each other');
  const audit = auditOf(values);
  const seats = seatsOf(values);
  const timeoutMs = timeoutOf(textOf(values, 'request-timeout'));
  return {
    ...(oidc && { oidc }),
    ...(authenticationConfig && { authenticationConfigFile: resolve(authenticationConfig) }),
    ...(authorizationConfig && { authorizationConfigFile: resolve(authorizationConfig) }),
    ...(audit && { audit }),
    ...(seats && { requestSeats: seats }),
    ...(timeoutMs && { requestTimeoutMs: timeoutMs }),
  };
}

function textOf(values: Values, name: keyof Values): string | undefined {
  const value = values[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function openIdConnectOf(values: Values): ApiServerSettings['oidc'] {
  const issuerUrl = textOf(values, 'oidc-issuer-url');
  const clientId = textOf(values, 'oidc-client-id');
  if (!issuerUrl && !clientId) return undefined;
  if (!issuerUrl || !clientId)
    throw new UsageError('--oidc-issuer-url and --oidc-client-id must be specified together');
  if (!issuerUrl.startsWith('https://')) throw new UsageError('--oidc-issuer-url must be an https URL');
  const optional = {
    usernameClaim: textOf(values, 'oidc-username-claim'),
    usernamePrefix: textOf(values, 'oidc-username-prefix'),
    groupsClaim: textOf(values, 'oidc-groups-claim'),
    groupsPrefix: textOf(values, 'oidc-groups-prefix'),
  };
  const algorithms = textOf(values, 'oidc-signing-algs');
  const caFile = textOf(values, 'oidc-ca-file');
  const claims = (values['oidc-required-claim'] as string[] | undefined) ?? [];
  return {
    issuerUrl,
    clientId,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
    ...(algorithms && { signingAlgorithms: algorithms.split(',') }),
    ...(claims.length > 0 && { requiredClaims: Object.fromEntries(claims.map(claimOf)) }),
    ...(caFile && { caFile: resolve(caFile) }),
  };
}

function claimOf(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new UsageError(`--oidc-required-claim takes key=value, not ${JSON.stringify(text)}`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function auditOf(values: Values): ApiServerSettings['audit'] {
  const policyFile = textOf(values, 'audit-policy-file');
  const logFile = textOf(values, 'audit-log-path');
  if (!policyFile && !logFile) return undefined;
  if (!policyFile || !logFile)
    throw new UsageError('--audit-policy-file and --audit-log-path must be specified together');
  return { policyFile: resolve(policyFile), logFile: logFile === '-' ? '-' : resolve(logFile) };
}

/** Upstream adds the two up, and shares the sum among priority levels. */
const readsDefault = 400;
const writesDefault = 200;

function seatsOf(values: Values): number | undefined {
  const count = (name: keyof Values) => parseCount(`--${name}`, textOf(values, name));
  const reads = count('max-requests-inflight');
  const writes = count('max-mutating-requests-inflight');
  if (reads === undefined && writes === undefined) return undefined;
  return (reads ?? readsDefault) + (writes ?? writesDefault);
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeoutMs = parseGoDuration(text);
  if (typeof timeoutMs !== 'number') throw new UsageError(`--request-timeout: ${timeoutMs.error}`);
  if (timeoutMs <= 0) throw new UsageError('--request-timeout must be longer than 0s');
  return timeoutMs;
}
