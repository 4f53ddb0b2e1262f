/** The section of a backend in HAProxy's configuration. */
import type { Backend } from '../routing/backends.ts';
import type { IngressSettings } from '../settings.ts';
import { quote } from './quoting.ts';
import { isForLua, userLines } from './user-lists.ts';

const disabledServer = '127.0.0.1:1';

/** `slots`: the `address:port` of its servers; '' for a free one. */
export function backendLines(backend: Backend, slots: readonly string[]): string[] {
  const { name, settings } = backend;
  return [
    `backend ${name}`,
    `  balance ${settings.loadBalance}`,
    `  timeout connect ${settings.connectTimeoutSeconds}s`,
    `  timeout server ${Math.max(settings.readTimeoutSeconds, settings.sendTimeoutSeconds)}s`,
    ...accessLines(backend),
    ...redirectLines(backend),
    ...requestLines(backend),
    ...corsLines(settings.cors),
    ...cookieLines(settings.affinityCookie),
    ...slots.map((server, index) => serverLine(backend, server, index)),
    '',
    ...userLines(backend),
  ];
}

function accessLines({ name, settings, users }: Backend): string[] {
  const { allowedSources, basicAuth, bodyBytesMax } = settings;
  const known = [
    `{ http_auth(users-${name}) }`,
    ...(users?.some(({ hash }) => isForLua(hash)) ? [`{ lua.htpasswd(${name}) -m int 1 }`] : []),
  ].join(' or ');
  return [
    ...allowedLines(allowedSources),
    ...(users
      ? [
          `  http-request auth realm ${quote(basicAuth!.realm)} unless ${known}`,
          '  http-request set-var(txn.user) http_auth_user',
        ]
      : []),
    ...(bodyBytesMax === undefined
      ? []
      : [`  http-request deny deny_status 413 if { req.body_size gt ${bodyBytesMax} }`]),
  ];
}

/** HAProxy takes up to 64 words in a line; of several lines about one condition, one is enough. */
const sourcesPerLine = 50;

function allowedLines(sources: readonly string[]): string[] {
  if (sources.length === 0) return [];
  const lines: string[] = [];
  for (let index = 0; index < sources.length; index += sourcesPerLine)
    lines.push(`  acl allowed-source src ${sources.slice(index, index + sourcesPerLine).join(' ')}`);
  return [...lines, '  http-request deny deny_status 403 unless allowed-source'];
}

function redirectLines({ settings, hasTls }: Backend): string[] {
  const lines: string[] = [];
  if (settings.forceSslRedirect || (settings.sslRedirect && hasTls))
    lines.push('  http-request redirect scheme https code 308 unless { ssl_fc }');
  if (settings.permanentRedirect) {
    const { target, code } = settings.permanentRedirect;
    const known = [301, 302, 303, 307, 308].includes(code) ? code : 301;
    lines.push(`  http-request redirect location ${quote(target)} code ${known}`);
  }
  if (settings.temporaryRedirect)
    lines.push(`  http-request redirect location ${quote(settings.temporaryRedirect)} code 302`);
  if (settings.appRoot)
    lines.push(`  http-request redirect location ${quote(settings.appRoot)} code 302 if { path / }`);
  return lines;
}

function requestLines({ settings, rewrite }: Backend): string[] {
  const lines: string[] = [];
  if (settings.upstreamHost) lines.push(`  http-request set-header Host ${quote(settings.upstreamHost)}`);
  if (rewrite) {
    const target = rewrite.target.replaceAll(/\$(\d)/g, '\\$1');
    lines.push(`  http-request replace-path ${quote(`(?i)${rewrite.pattern}.*`)} ${quote(target)}`);
    lines.push('  http-request set-path / if { path -m len 0 }');
  }
  return lines;
}

function corsLines(cors: IngressSettings['cors']): string[] {
  if (!cors) return [];
  const any = cors.origins.includes('*');
  const condition = any ? '' : ` if { var(txn.origin) -m str ${cors.origins.map(quote).join(' ')} }`;
  const headers = [
    ['Access-Control-Allow-Origin', any ? '"*"' : '%[var(txn.origin)]'],
    ['Access-Control-Allow-Methods', quote(cors.methods)],
    ['Access-Control-Allow-Headers', quote(cors.headers)],
    ['Access-Control-Max-Age', String(cors.maxAgeSeconds)],
    ...(cors.credentials && !any ? [['Access-Control-Allow-Credentials', 'true']] : []),
  ];
  return [
    '  http-request set-var(txn.origin) req.hdr(origin)',
    ...headers.map(([name, value]) => `  http-after-response set-header ${name} ${value}${condition}`),
    '  http-request return status 204 if METH_OPTIONS { req.hdr(origin) -m found }',
  ];
}

function cookieLines(cookie: IngressSettings['affinityCookie']): string[] {
  if (!cookie) return [];
  const maxAge = cookie.maxAgeSeconds === undefined ? '' : ` attr "Max-Age=${cookie.maxAgeSeconds}"`;
  const path = cookie.path === undefined ? '' : ` attr "Path=${cookie.path}"`;
  return [`  cookie ${cookie.name} insert indirect nocache httponly dynamic${maxAge}${path}`];
}

function serverLine({ settings, isExternalName }: Backend, server: string, index: number): string {
  const tls = settings.protocol === 'https' || settings.protocol === 'grpcs';
  const http2 = settings.protocol === 'grpc' || settings.protocol === 'grpcs';
  const words = [
    `  server s${index + 1} ${server || disabledServer}`,
    server ? '' : 'disabled',
    tls ? `ssl verify none${http2 ? ' alpn h2' : ''}` : http2 ? 'proto h2' : '',
    isExternalName ? 'resolvers cluster resolve-prefer ipv4 init-addr none' : '',
  ];
  return words.filter(Boolean).join(' ');
}
