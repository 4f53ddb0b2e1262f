/** Writes a routing as HAProxy's files. Pure: equal routings give equal text, in whatever order the API listed them. */
import type { Route, Routing } from '../routing.ts';
import { backendLines } from './backend-section.ts';
import { frontendLines } from './frontend-section.ts';
import { isForLua, usersLua } from './user-lists.ts';

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
