import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ingress, IngressClass, Service } from '../../api/resources.gen.ts';
import { computeRouting } from './routing.ts';

const classes = [
  { metadata: { name: 'nginx' }, spec: { controller: 'k8s.io/ingress-nginx' } },
] as IngressClass[];
const service = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
} as Service;

interface Wanted {
  path: string;
  pathType?: string;
  host?: string;
  annotations?: Record<string, string>;
  service?: string;
  ingressClassName?: string;
}

let second = 0;

/** Each slightly younger than the one before. */
function ingress(name: string, wanted: Wanted): Ingress {
  const { path, pathType = 'Prefix', host = 'a.test', annotations = {}, ingressClassName = 'nginx' } = wanted;
  const backend = { service: { name: wanted.service ?? 'web', port: { number: 80 } } };
  const creationTimestamp = new Date(1000 * second++).toISOString();
  return {
    metadata: { name, namespace: 'default', annotations, creationTimestamp },
    spec: { ingressClassName, rules: [{ host, http: { paths: [{ path, pathType, backend }] } }] },
  } as Ingress;
}

const routingOf = (...ingresses: Ingress[]) =>
  computeRouting({
    ingresses,
    classes,
    service: (key) => (key === 'default/web' ? service : undefined),
    slicesOf: () => [],
    secret: () => undefined,
  });

const regex = { 'nginx.ingress.kubernetes.io/use-regex': 'true' };
const cases: [title: string, wanted: Wanted, served: string | undefined, problem?: string][] = [
  ['a prefix, without a slash at its end', { path: '/api/' }, 'prefix /api'],
  ['all of a host', { path: '/' }, 'prefix /'],
  ['an exact path, as it is', { path: '/api/', pathType: 'Exact' }, 'exact /api/'],
  [
    'a regular expression, where an annotation asks for it',
    { path: '/v\\d', pathType: 'ImplementationSpecific', annotations: regex },
    'regex /v\\d',
  ],
  [
    'no regular expression that is none',
    { path: '/(', pathType: 'ImplementationSpecific', annotations: regex },
    undefined,
    'path "/(" is no regular expression',
  ],
  [
    'no path with a line break: the next line would be a route of a host that is not its own',
    { path: '/x\nb.test/ default_other_web_80', pathType: 'Exact' },
    undefined,
    'path "/x\\nb.test/ default_other_web_80" has white space or control characters',
  ],
  ['no path with a blank', { path: '/a b' }, undefined, 'path "/a b" has white space or control characters'],
  [
    'a blank within a regular expression',
    { path: '/a b', pathType: 'ImplementationSpecific', annotations: regex },
    'regex /a b',
  ],
  [
    'a service that does not exist, without servers',
    { path: '/', service: 'gone' },
    'prefix /',
    'service "default/gone" does not exist',
  ],
  ['nothing of another class', { path: '/', ingressClassName: 'other' }, undefined],
];

for (const [title, wanted, served, problem] of cases)
  test(`serves ${title}`, () => {
    const { routes, problems } = routingOf(ingress('i', wanted));
    assert.deepEqual(
      routes.map(({ match, path }) => `${match} ${path}`),
      served ? [served] : [],
    );
    assert.deepEqual(
      problems.map(({ message }) => message),
      problem ? [problem] : [],
    );
  });

test('the older of two Ingresses has a path of a host, and the younger gets an event', () => {
  const { routes, problems } = routingOf(ingress('old', { path: '/' }), ingress('young', { path: '/' }));
  assert.deepEqual(
    routes.map((route) => route.ingress),
    ['default/old'],
  );
  assert.deepEqual(problems, [
    {
      ingress: 'default/young',
      reason: 'Conflict',
      message: 'host "a.test" and path "/" are already defined in ingress default/old',
    },
  ]);
});

test('paths of one Ingress that differ in a character only are rewritten each in its own way', () => {
  const annotations = { 'nginx.ingress.kubernetes.io/rewrite-target': '/' };
  const one = ingress('i', { path: '/a/b', annotations });
  const paths = one.spec!.rules![0]!.http!.paths;
  paths.push({ ...paths[0]!, path: '/a-b' }, { ...paths[0]!, path: '/a.b' });
  const { routes, backends } = routingOf(one);
  assert.deepEqual(
    routes.map(({ path, backend }) => [path, backends.get(backend)!.rewrite!.pattern]),
    [
      ['/a/b', '^/a/b'],
      ['/a-b', '^/a-b'],
      ['/a.b', '^/a\\.b'],
    ],
  );
});
