import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { after, before, suite, test } from 'node:test';
import { createListeningServer, type ListeningServer, type Send } from '../http/listener.fixture.ts';

suite('requests for custom resources that are not served', () => {
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const root = '/apis/example.com/v1';
  const json = { 'content-type': 'application/json' };
  let listening: ListeningServer;
  let admin: Send;

  before(async () => {
    listening = await createListeningServer();
    admin = await listening.as('admin', ['system:masters']);
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const version = { name: 'v1', served: true, storage: true, schema };
    for (const [kind, scope, subresources] of [
      ['Shop', 'Namespaced', { status: {} }],
      ['Mall', 'Cluster', {}],
    ] as const) {
      const [singular, plural] = [kind.toLowerCase(), `${kind.toLowerCase()}s`];
      const body = {
        metadata: { name: `${plural}.example.com` },
        spec: {
          group: 'example.com',
          scope,
          names: { plural, singular, kind, listKind: `${kind}List` },
          versions: [{ ...version, subresources }],
        },
      };
      await admin('POST', definitions, json, JSON.stringify(body));
    }
    const mall = { apiVersion: 'example.com/v1', kind: 'Mall', metadata: { name: 'm' } };
    let made = 0;
    while (made !== 201) made = (await admin('POST', `${root}/malls`, json, JSON.stringify(mall))).status;
  });
  after(() => listening[Symbol.asyncDispose]());

  const noPage = [404, '404 page not found\n'];
  const unsupported = (verb: string, plural = 'malls') => [
    405,
    `${verb} is not supported on resources of kind "${plural}.example.com"`,
  ];
  const answers: [method: string, path: string, answer: (string | number)[]][] = [
    ['GET', '/namespaces/default/malls', noPage],
    ['GET', '/namespaces/default/malls/m', noPage],
    ['GET', '/shops/x', noPage],
    ['POST', '/shops', noPage],
    ['DELETE', '/shops', noPage],
    ['PUT', '/malls', [400, 'name must be provided']],
    ['PATCH', '/malls', [400, 'name must be provided']],
    ['OPTIONS', '/malls/m', unsupported('')],
    ['POST', '/malls/m/status', [404, 'malls.example.com "m" not found']],
    ['GET', '/malls/m/status', [404, 'malls.example.com "m" not found']],
    ['GET', '/malls/m/scale', [404, 'malls.example.com "m" not found']],
    ['GET', '/malls/m/frob', [404, 'malls.example.com "m" not found']],
    ['POST', '/namespaces/default/shops/x/status', unsupported('create', 'shops')],
    ['DELETE', '/namespaces/default/shops/x/status', unsupported('delete', 'shops')],
  ];
  for (const [method, path, expected] of answers)
    test(`${method} ${path}`, async () => {
      const given = method.startsWith('P') ? '{}' : undefined;
      const { status, headers, body } = await admin(method, root + path, json, given);
      const text = body.toString();
      const isJson = headers['content-type'] === 'application/json';
      assert.deepEqual([status, isJson ? JSON.parse(text).message : text], expected);
    });

  test('where a method is not supported, the answer says of which resource', async () => {
    const { body } = await admin('OPTIONS', `${root}/malls/m`);
    const { reason, details } = JSON.parse(body.toString());
    assert.deepEqual([reason, details], ['MethodNotAllowed', { group: 'example.com', kind: 'malls' }]);
  });

  test('their heads can be asked for, by HTTP/1.1 and HTTP/2', async () => {
    for (const path of [`${root}/malls/m`, `${root}/malls`]) {
      const { status, headers, body } = await admin('HEAD', path);
      assert.deepEqual([status, headers['content-type'], body.length], [200, 'application/json', 0]);
    }
    assert.equal((await admin('HEAD', '/api/v1/namespaces')).status, 405);
    const session = connectHttp2(`https://127.0.0.1:${listening.port}`, {
      ...(await listening.connect('admin', ['system:masters'])),
    });
    try {
      const stream = session.request({ ':method': 'HEAD', ':path': `${root}/malls/m` });
      const status = await new Promise((resolve, reject) => {
        stream.on('response', (headers) => resolve(headers[':status']));
        stream.on('error', reject);
      });
      assert.equal(status, 200);
    } finally {
      session.destroy();
    }
  });
});
