/** The section of the frontend in HAProxy's configuration: which backend a request goes to. */
import type { Route } from '../routing.ts';
import type { HaproxyPlace } from './haproxy-config.ts';
import { quote } from './quoting.ts';

export function frontendLines(
  place: HaproxyPlace,
  canaries: readonly { route: Route; target: string }[],
): string[] {
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
