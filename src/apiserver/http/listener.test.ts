import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect } from 'node:http2';
import { Agent } from 'node:https';
import { after, before, suite, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { decodeMessage, readEnvelope } from '../../api/protobuf/envelope.ts';
import { systemClock } from '../../base/clock.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { configMap, configMaps, createTestServer, type TestServer } from '../server.fixture.ts';
import { exchange, type Reply } from './listener.fixture.ts';
import type { Listener } from './listener.ts';

suite('the listener', () => {
  let server: TestServer;
  let listener: Listener;
  let ca: string;
  let agent: Agent;
  let session: ClientHttp2Session;

  before(async () => {
    const authority = await createAuthority('test');
    ca = authority.cert;
    const serving = await issueCertificate(authority, {
      commonName: 'server',
      usages: ['server'],
      ipAddresses: ['127.0.0.1'],
    });
    const admin = await issueCertificate(authority, {
      commonName: 'admin',
      organizations: ['system:masters'],
      usages: ['client'],
    });
    server = await createTestServer({ clock: systemClock });
    listener = await server.api.listen({ host: '127.0.0.1', port: 0, ...serving, clientCa: ca });
    agent = new Agent({ ca, cert: admin.cert, key: admin.key, keepAlive: true });
    session = connect(`https://127.0.0.1:${listener.port}`, { ca, cert: admin.cert, key: admin.key });
  });

  after(async () => {
    session.destroy();
    agent.destroy();
    await server[Symbol.asyncDispose]();
  });

  function http1(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
  ): Promise<Reply> {
    return exchange({ host: '127.0.0.1', port: listener.port, method, path, headers, agent, ca }, body);
  }

  function http2(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const stream = session.request({ ':method': method, ':path': path, ...headers });
      let head: Record<string, string | string[] | undefined> = {};
      const chunks: Buffer[] = [];
      stream.on('response', (received) => {
        head = received as typeof head;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () =>
        resolve({ status: Number(head[':status']), headers: head, body: Buffer.concat(chunks) }),
      );
      stream.on('error', reject);
      stream.end(body);
    });
  }

  const json = { 'content-type': 'application/json' };

  test('the metadata of a list and of an object are asked for under different names', async () => {
    await http1('POST', configMaps, json, JSON.stringify(configMap('form')));
    const said = async (path: string, as: string) => {
      const accept = `application/json;as=${as};v=v1;g=meta.k8s.io`;
      const { status, body } = await http1('GET', path, { accept });
      const { kind, message } = JSON.parse(body.toString());
      return [status, message ?? kind];
    };
    const [one, list] = ['PartialObjectMetadata', 'PartialObjectMetadataList'];
    assert.deepEqual(await said(`${configMaps}/form`, one!), [200, one]);
    assert.deepEqual(await said(configMaps, list!), [200, list]);
    assert.deepEqual(await said(configMaps, one!), [
      406,
      'you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)',
    ]);
    assert.deepEqual(await said(`${configMaps}/form`, list!), [
      406,
      'you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)',
    ]);
  });

  for (const [name, send] of [
    ['HTTP/1.1', http1],
    ['HTTP/2', http2],
  ] as const)
    test(`${name} carries creates and gets in every format`, async () => {
      const own = name.replace(/\W/g, '').toLowerCase();
      const made = await send('POST', configMaps, json, JSON.stringify(configMap(own, { a: 'ü' })));
      assert.equal(made.status, 201);
      assert.ok(made.headers['audit-id']);
      const path = `${configMaps}/${own}`;
      const yaml = await send('GET', path, { accept: 'application/yaml' });
      assert.equal(yaml.headers['content-type'], 'application/yaml');
      assert.deepEqual(parse(yaml.body.toString()).data, { a: 'ü' });
      const protobuf = await send('GET', path, { accept: 'application/vnd.kubernetes.protobuf' });
      const { kind, message } = readEnvelope(protobuf.body);
      assert.equal(kind, 'ConfigMap');
      assert.deepEqual(decodeMessage('io.k8s.api.core.v1.ConfigMap', message).data, { a: 'ü' });
      const table = await send('GET', path, {
        accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
      });
      const { kind: form, rows } = JSON.parse(table.body.toString());
      assert.equal(form, 'Table');
      assert.equal(rows[0].cells[0], own);
    });

  test('an unsupported answer type is not acceptable, and a body of an unknown type is not read', async () => {
    assert.equal((await http1('GET', configMaps, { accept: 'text/html' })).status, 406);
    assert.equal((await http1('POST', configMaps, { 'content-type': 'text/plain' }, 'x')).status, 415);
  });

  test('a scale has columns of its own', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments';
    const labels = { app: 'scaled' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'b' }] } };
    const spec = { replicas: 3, selector: { matchLabels: labels }, template };
    await http1('POST', path, json, JSON.stringify({ metadata: { name: 'scaled' }, spec }));
    const answer = await http1('GET', `${path}/scaled/scale`, {
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
    });
    const table = JSON.parse(answer.body.toString());
    assert.deepEqual(
      table.columnDefinitions.map(({ name }: { name: string }) => name),
      ['Name', 'Desired', 'Available', 'Age'],
    );
    assert.deepEqual(table.rows[0].cells.slice(0, 3), ['scaled', 3, 0]);
  });

  test('the bookmark of a watched table is a row of an object that has nothing but metadata', async () => {
    const names = ['pods', 'configmaps', 'secrets', 'deployments'];
    const cells = [
      ['', '0/0', '', '0', '<unknown>', '<none>', '<none>', '<none>', '<none>'],
      ['', 0, '<unknown>'],
      ['', '', 0, '<unknown>'],
      ['', '0/0', 0, 0, '<unknown>', '', '', '<none>'],
    ];
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    for (const [index, name] of names.entries()) {
      const group = name === 'deployments' ? '/apis/apps/v1' : '/api/v1';
      const path = `${group}/namespaces/default/${name}?${query}&timeoutSeconds=1&labelSelector=none`;
      const answer = await http1('GET', path, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
      const [first] = answer.body.toString().split('\n');
      const { type, object } = JSON.parse(first!);
      assert.equal(type, 'BOOKMARK');
      assert.ok(object.columnDefinitions.length > 0);
      const { resourceVersion } = object.metadata;
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      assert.deepEqual(object.rows, [
        {
          cells: cells[index],
          object: {
            kind: 'PartialObjectMetadata',
            apiVersion: 'meta.k8s.io/v1',
            metadata: { resourceVersion, annotations },
          },
        },
      ]);
    }
  });

  test('a list that is stored nowhere has a row for each of its items', async () => {
    const answer = await http1('GET', '/api/v1/componentstatuses', {
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
    });
    const table = JSON.parse(answer.body.toString());
    assert.deepEqual(
      table.columnDefinitions.map(({ name }: { name: string }) => name),
      ['Name', 'Status', 'Message', 'Error'],
    );
    assert.deepEqual(
      table.rows.map(({ cells }: { cells: unknown[] }) => cells),
      [['etcd-0', 'Healthy', 'ok', '']],
    );
    assert.equal(answer.headers.warning, '299 - "v1 ComponentStatus is deprecated in v1.19+"');
  });

  test('a certificate’s digest identifies it in the audit event', async () => {
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const { userInfo } = JSON.parse((await http1('POST', path, json, '{}')).body.toString()).status;
    assert.equal(userInfo.username, 'admin');
    const [credential] = userInfo.extra['authentication.kubernetes.io/credential-id'];
    assert.match(credential, /^X509SHA256=[0-9a-f]{64}$/);
  });

  test('the version is laid out for readers', async () => {
    const answer = await http1('GET', '/version', { accept: 'application/json' });
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.match(answer.body.toString(), /^\{\n {2}"major": "1",\n {2}"minor": "36",\n/);
  });

  test('an idle HTTP/1.1 connection stays for a minute and a half', async () => {
    const answer = await http1('GET', '/version');
    assert.equal(answer.headers['keep-alive'], 'timeout=90');
  });

  test('a review has no columns, so a table of it is not acceptable', async () => {
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const review = JSON.stringify({ spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } });
    const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    assert.equal((await http1('POST', path, { ...json, accept: table }, review)).status, 406);
    assert.equal(
      (await http1('POST', path, { ...json, accept: `${table},application/json` }, review)).status,
      201,
    );
  });

  test('a body beyond the limit is refused, and the connection serves on', async () => {
    const large = JSON.stringify(configMap('large', { a: 'x'.repeat(4 * 1024 * 1024) }));
    for (const send of [http1, http2]) {
      const refused = await send('POST', configMaps, json, large);
      assert.equal(refused.status, 413);
      assert.equal(JSON.parse(refused.body.toString()).reason, 'RequestEntityTooLarge');
      assert.equal((await send('GET', '/healthz')).status, 200);
    }
  });

  test('large lists are compressed for those who take gzip', async () => {
    for (let index = 0; index < 5; index++)
      await http1(
        'POST',
        configMaps,
        json,
        JSON.stringify(configMap(`zip-${index}`, { a: 'x'.repeat(50_000) })),
      );
    const packed = await http1('GET', configMaps, { 'accept-encoding': 'gzip' });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.equal(JSON.parse(gunzipSync(packed.body).toString()).kind, 'ConfigMapList');
    assert.ok(packed.body.length < 50_000);
  });

  test('without credentials there is health and version, and nothing else', async () => {
    const anonymous = new Agent({ ca });
    const get = (path: string, headers: Record<string, string> = {}) =>
      exchange({
        host: '127.0.0.1',
        port: listener.port,
        method: 'GET',
        path,
        headers,
        agent: anonymous,
        ca,
      });
    assert.equal((await get('/livez')).status, 200);
    assert.equal((await get('/version')).status, 200);
    const refused = await get(configMaps);
    assert.equal(refused.status, 403);
    assert.match(
      JSON.parse(refused.body.toString()).message,
      /User "system:anonymous" cannot list resource "configmaps"/,
    );
    const badToken = await get(configMaps, { authorization: 'Bearer x' });
    assert.equal(badToken.status, 401);
    anonymous.destroy();
  });

  test('a watch streams frames over HTTP/2 until the client leaves', async () => {
    const stream = session.request({
      ':path': `${configMaps}?watch=true&fieldSelector=metadata.name%3Dwatched`,
    });
    const frames: { type: string }[] = [];
    let text = '';
    const second = new Promise<void>((resolve) => {
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          frames.push(JSON.parse(text.slice(0, end)));
          text = text.slice(end + 1);
          if (frames.length === 2) resolve();
        }
      });
    });
    await new Promise((resolve) => stream.once('response', resolve));
    await http1('POST', configMaps, json, JSON.stringify(configMap('watched')));
    await http1('DELETE', `${configMaps}/watched`);
    await second;
    assert.deepEqual(
      frames.map(({ type }) => type),
      ['ADDED', 'DELETED'],
    );
    stream.close();
  });

  test('a refused upgrade is answered on the raw connection', async () => {
    const path = '/api/v1/namespaces/default/pods/none/exec?command=x';
    const refused = await http1('GET', path, { connection: 'Upgrade', upgrade: 'SPDY/3.1' });
    assert.equal(refused.status, 404);
  });
});
