/** Writes a routing as HAProxy's files. Pure: equal routings give equal text, in whatever order the API listed them. */
import type { Backend } from './routing/backends.ts';
import type { Route, Routing } from './routing.ts';
import type { IngressSettings } from './settings.ts';

export interface HaproxyPlace {
  /** The folder of the files. */
  folder: string;
  /** Addresses to listen on. */
  addresses: readonly string[];
  httpPort: number;
  httpsPort: number;
  /** Address of cluster DNS, for ExternalName services. */
  clusterDns: string;
  /** PEM of the certificate for hosts without one. */
  defaultCertificate: string;
}

/** Files by name, besides `haproxy.cfg`. */
export interface HaproxyFiles {
  config: string;
  files: Record<string, string>;
  /** By backend: the `address:port` of its slots, in order; '' for a free one. Changing these needs no reload. */
  slots: Map<string, string[]>;
}

export const configName = 'haproxy.cfg';
export const adminSocketName = 'admin.sock';
const slotsMin = 4;
const disabledServer = '127.0.0.1:1';

/** `previous`: the slots of the active files, so that servers keep their places and only changed ones are touched. */
export function writeHaproxyFiles(
  routing: Routing,
  place: HaproxyPlace,
  previous: ReadonlyMap<string, readonly string[]> = new Map(),
): HaproxyFiles {
  const backends = [...routing.backends.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const slots = new Map(
    backends.map((backend) => [backend.name, assignSlots(backend.servers, previous.get(backend.name) ?? [])]),
  );
  const routes = routing.routes.map((route, index) => ({
    route,
    target: route.canaries.length > 0 ? `canary-${index}` : route.backend,
  }));
  const key = ({ host, path }: Route) => `${host || '_'}${path}`;
  const lines = (match: Route['match'], write: (route: Route) => string) =>
    routes
      .filter(({ route }) => route.match === match)
      .sort((a, b) => b.route.path.length - a.route.path.length)
      .map(({ route, target }) => `${write(route)} ${target}\n`)
      .join('');
  const hosts = [...new Set(routing.routes.map(({ host }) => host || '_'))].sort();
  const needsLua = backends.some(({ users }) => users?.some(({ hash }) => isForLua(hash)));
  return {
    slots,
    config: [
      ...globalLines(place, { needsLua }),
      ...frontendLines(
        place,
        routes.filter(({ route }) => route.canaries.length > 0),
      ),
      ...backends.flatMap((backend) => backendLines(backend, slots.get(backend.name)!)),
      ...notFoundLines,
      '',
    ].join('\n'),
    files: {
      'hosts.map': hosts.map((host) => `${host} ${host}\n`).join(''),
      'exact.map': lines('exact', key),
      'prefix.map': lines('prefix', (route) => `${key(route).replace(/\/$/, '')}/`),
      'regex.map': lines(
        'regex',
        ({ host, path }) => `(?i)^${escapeRegex(host || '_')}${path.replaceAll(' ', '\\x20')}`,
      ),
      'users.lua': usersLua(backends),
      ...certificateFiles(routing, place),
    },
  };
}

/** Servers that stay keep their slots; new ones take free slots; there is always room for as many again. */
function assignSlots(servers: readonly string[], previous: readonly string[]): string[] {
  const wanted = new Set(servers);
  const slots = previous.map((server) => (wanted.delete(server) ? server : ''));
  for (const server of wanted) {
    const free = slots.indexOf('');
    if (free >= 0) slots[free] = server;
    else slots.push(server);
  }
  const size = Math.max(slotsMin, previous.length, 2 ** Math.ceil(Math.log2(Math.max(1, slots.length))));
  return [...slots, ...new Array<string>(size - slots.length).fill('')];
}

function globalLines({ folder, clusterDns }: HaproxyPlace, { needsLua }: { needsLua: boolean }): string[] {
  return [
    'global',
    '  maxconn 8192',
    '  nbthread 2',
    `  stats socket ${folder}/${adminSocketName} mode 600 level admin expose-fd listeners`,
    '  log stdout format raw local0 info',
    '  hard-stop-after 1h',
    '  ssl-default-bind-options ssl-min-ver TLSv1.2',
    '  tune.ssl.default-dh-param 2048',
    ...(needsLua ? [`  lua-load ${folder}/users.lua`, `  lua-load ${folder}/auth.lua`] : []),
    '',
    'resolvers cluster',
    `  nameserver dns ${clusterDns}:53`,
    '  accepted_payload_size 1232',
    '  hold valid 10s',
    '',
    'defaults',
    '  mode http',
    '  log global',
    `  log-format ${logFormat}`,
    '  option dontlognull',
    '  option http-keep-alive',
    '  option idle-close-on-response',
    '  option redispatch 1',
    '  retries 3',
    // As nginx: when a server drops the connection without an answer, another is tried, for requests that may be
    // repeated.
    '  retry-on conn-failure empty-response',
    '  timeout client 75s',
    '  timeout client-fin 30s',
    '  timeout http-request 60s',
    '  timeout http-keep-alive 75s',
    '  timeout queue 10s',
    '  timeout tunnel 1h',
    '  dynamic-cookie-key wherry',
    '',
  ];
}

/** Like nginx' combined format, followed by the backend, the server and the time in milliseconds. */
const logFormat =
  '\'%ci - %[var(txn.user),json] [%tr] "%HM %HU %HV" %ST %B "%[capture.req.hdr(0)]" "%[capture.req.hdr(1)]" [%b] %s %Ta\'';

function frontendLines(place: HaproxyPlace, canaries: readonly { route: Route; target: string }[]): string[] {
  const { folder, httpPort, httpsPort } = place;
  const route = 'http-request set-var(txn.route)';
  const unlessFound = 'unless { var(txn.route) -m found }';
  return [
    'frontend ingress',
    ...place.addresses.flatMap((address) => [
      `  bind ${address}:${httpPort}`,
      `  bind ${address}:${httpsPort} ssl crt ${folder}/default.pem crt-list ${folder}/certificates.list alpn h2,http/1.1`,
    ]),
    '  capture request header Referer len 256',
    '  capture request header User-Agent len 256',
    '  http-request disable-l7-retry unless { method GET HEAD PUT DELETE OPTIONS TRACE }',
    '  http-request set-var(txn.user) str(-)',
    '  http-request set-header X-Request-ID %[uuid()] unless { req.hdr(X-Request-ID) -m found }',
    '  http-request set-header X-Real-IP %[src]',
    '  http-request set-header X-Forwarded-For %[src]',
    '  http-request set-header X-Forwarded-Host %[req.hdr(host)]',
    '  http-request set-header X-Forwarded-Port %[dst_port]',
    '  http-request set-header X-Forwarded-Proto http',
    '  http-request set-header X-Forwarded-Proto https if { ssl_fc }',
    '  http-request set-header X-Forwarded-Scheme %[req.hdr(X-Forwarded-Proto)]',
    '  http-request set-var(txn.host) req.hdr(host),field(1,:),lower',
    '  http-request set-var(txn.path) path',
    `  http-request set-var(txn.server) var(txn.host),map_str(${folder}/hosts.map)`,
    `  http-request set-var(txn.server) var(txn.host),regsub(^[^.]*,*),map_str(${folder}/hosts.map) unless { var(txn.server) -m found }`,
    '  http-request set-var(txn.server) str(_) unless { var(txn.server) -m found }',
    `  ${route} var(txn.server),concat(,txn.path,),map_str(${folder}/exact.map)`,
    `  ${route} var(txn.server),concat(,txn.path,),map_reg(${folder}/regex.map) ${unlessFound}`,
    `  ${route} var(txn.server),concat(,txn.path,/),map_beg(${folder}/prefix.map) ${unlessFound}`,
    ...canaries.flatMap(canaryLines),
    '  use_backend %[var(txn.route)] if { var(txn.route) -m found }',
    '  default_backend not-found',
    '',
  ];
}

/** By header, else by cookie, else by weight. */
function canaryLines({ route, target }: { route: Route; target: string }): string[] {
  const is = `{ var(txn.route) -m str ${target} }`;
  const go = (backend: string, condition: string) =>
    `  http-request set-var(txn.route) str(${backend}) if ${is} ${condition}`;
  const lines = route.canaries.flatMap(({ backend, canary }) => {
    const { header, headerValue, cookie, weight, weightTotal } = canary;
    const byHeader = !header
      ? []
      : headerValue !== undefined
        ? [go(backend, `{ req.hdr(${header}) -m str ${quote(headerValue)} }`)]
        : [go(backend, `{ req.hdr(${header}) always }`), go(route.backend, `{ req.hdr(${header}) never }`)];
    const byCookie = cookie
      ? [go(backend, `{ req.cook(${cookie}) always }`), go(route.backend, `{ req.cook(${cookie}) never }`)]
      : [];
    const byWeight = weight > 0 ? [go(backend, `{ rand(${weightTotal}) lt ${weight} }`)] : [];
    return [...byHeader, ...byCookie, ...byWeight];
  });
  return [...lines, `  http-request set-var(txn.route) str(${route.backend}) if ${is}`];
}

function backendLines(backend: Backend, slots: readonly string[]): string[] {
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

/** Hashes that crypt(3) knows are checked by HAProxy; `http_auth` requires a list even when it is empty. */
function userLines({ name, users }: Backend): string[] {
  if (!users) return [];
  const own = users.filter(
    ({ name: user, hash }) => !isForLua(hash) && /^\S+$/.test(user) && /^\S+$/.test(hash),
  );
  return [
    `userlist users-${name}`,
    ...own.map(({ name: user, hash }) => `  user ${quote(user)} password ${quote(hash)}`),
    '',
  ];
}

function usersLua(backends: readonly Backend[]): string {
  const lists = backends
    .filter(({ users }) => users)
    .map(({ name, users }) => {
      const entries = users!
        .filter(({ hash }) => isForLua(hash))
        .map((user) => `    [${luaString(user.name)}] = ${luaString(user.hash)},\n`);
      return `  [${luaString(name)}] = {\n${entries.join('')}  },\n`;
    });
  return `ingress_users = {\n${lists.join('')}}\n`;
}

function isForLua(hash: string): boolean {
  return hash.startsWith('$apr1$') || hash.startsWith('{SHA}');
}

function certificateFiles(routing: Routing, place: HaproxyPlace): Record<string, string> {
  const files: Record<string, string> = { 'default.pem': place.defaultCertificate };
  const list: string[] = [];
  for (const { key, hosts, pem } of routing.certificates) {
    const name = `${key.replace('/', '_')}.pem`;
    files[name] = pem;
    list.push(`${place.folder}/${name} ${hosts.join(' ')}\n`);
  }
  return { ...files, 'certificates.list': [...new Set(list)].sort().join('') };
}

const notFoundLines = [
  'backend not-found',
  '  http-request return status 404 content-type text/plain string "default backend - 404"',
];

function escapeRegex(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** A word of HAProxy's configuration that stands for exactly these characters; `%` would begin an expression. */
function quote(text: string): string {
  return `'${text.replaceAll('%', '%%').replaceAll("'", "'\\''")}'`;
}

function luaString(text: string): string {
  return `"${text.replaceAll(/[\\"\n\r]/g, (character) => `\\${character.charCodeAt(0).toString().padStart(3, '0')}`)}"`;
}
