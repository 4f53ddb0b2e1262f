import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseSettings } from './settings.ts';

const parse = (annotations: Record<string, string>) =>
  parseSettings(
    Object.fromEntries(
      Object.entries(annotations).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]),
    ),
  );

describe('annotations of an Ingress', () => {
  it('have the defaults of ingress-nginx', () => {
    const { settings, problems } = parse({});
    assert.deepEqual(problems, []);
    assert.equal(settings.sslRedirect, true);
    assert.equal(settings.protocol, 'http');
    assert.equal(settings.readTimeoutSeconds, 60);
  });

  const rows: [
    string,
    Record<string, string>,
    (settings: ReturnType<typeof parse>['settings']) => unknown,
    unknown,
  ][] = [
    ['sizes with units', { 'proxy-body-size': '8m' }, (each) => each.bodyBytesMax, 8 * 1024 ** 2],
    ['no limit', { 'proxy-body-size': '0' }, (each) => each.bodyBytesMax, undefined],
    [
      'lists of sources',
      { 'whitelist-source-range': '10.0.0.0/8, ::1' },
      (each) => each.allowedSources,
      ['10.0.0.0/8', '::1'],
    ],
    [
      'ranges that are none',
      { 'whitelist-source-range': '300.1.1.1, 10.0.0.0/99, :::, fe80::1%eth0, 10.0.0.1/24' },
      (each) => each.allowedSources,
      ['10.0.0.1/24'],
    ],
    [
      'the longest timeout of the proxy',
      { 'proxy-read-timeout': '999999999' },
      (each) => each.readTimeoutSeconds,
      2_147_483,
    ],
    [
      'sizes in digits',
      { 'proxy-body-size': '999999999999g' },
      (each) => String(each.bodyBytesMax),
      '9007199254740991',
    ],
    ['cookies', { affinity: 'cookie' }, (each) => each.affinityCookie, { name: 'INGRESSCOOKIE' }],
    ['protocols', { 'backend-protocol': 'GRPC' }, (each) => each.protocol, 'grpc'],
    [
      'canaries',
      { canary: 'true', 'canary-weight': '20' },
      (each) => each.canary,
      { weight: 20, weightTotal: 100 },
    ],
    ['timeouts', { 'proxy-read-timeout': '3600' }, (each) => each.readTimeoutSeconds, 3600],
  ];
  for (const [name, annotations, read, expected] of rows)
    it(`give ${name}`, () => assert.deepEqual(read(parse(annotations).settings), expected));

  it('that cannot be used are named, one by one', () => {
    const { problems } = parse({
      'ssl-redirect': 'maybe',
      'proxy-body-size': 'big',
      'rewrite-target': 'no-path',
      'configuration-snippet': 'deny all;',
    });
    assert.deepEqual(problems.sort(), [
      'annotation nginx.ingress.kubernetes.io/configuration-snippet is not supported',
      'annotation nginx.ingress.kubernetes.io/proxy-body-size is no size',
      'annotation nginx.ingress.kubernetes.io/rewrite-target is no path',
      'annotation nginx.ingress.kubernetes.io/ssl-redirect is neither true nor false',
    ]);
  });

  it('never open what they were to close', () => {
    assert.deepEqual(parse({ 'whitelist-source-range': 'everybody' }).settings.allowedSources, [
      '255.255.255.255/32',
    ]);
    assert.ok(parse({ 'auth-type': 'basic' }).settings.basicAuth);
  });

  it('are all known that the code reads', () => {
    const text = readFileSync(new URL('./settings.ts', import.meta.url), 'utf8');
    for (const [, name] of text.matchAll(
      /reader\s*\.(?:flag|text|count|path|token|size|list)\(\s*'([a-z-]+)'/g,
    ))
      assert.ok(
        !parse({ [name!]: '' }).problems.some((problem) => problem.endsWith('is not supported')),
        name,
      );
  });
});
