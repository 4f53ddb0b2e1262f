import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MetricsRegistry } from '../../base/metrics.ts';
import { joinHostPort } from '../../base/text/host-port.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { WebhookClient } from './webhook-client.ts';

test('a webhook whose service cannot be reached is given up in time, and a connection that comes late is closed', async () => {
  const dialing = Promise.withResolvers<PassThrough>();
  const client = new WebhookClient(() => dialing.promise, new MetricsRegistry());
  const config = { service: { namespace: 'default', name: 'hook' } };
  await assert.rejects(client.post(config, {}, 20), {
    name: 'WebhookCallError',
    message:
      'failed to call webhook: Post "https://hook.default.svc:443/?timeout=1s": context deadline exceeded',
  });
  const late = new PassThrough();
  dialing.resolve(late);
  await dialing.promise;
  assert.equal(late.destroyed, true);
  client.close();
});

test('a webhook at a URL or a Service is verified as Go does, and certificates that rely on outdated means are counted', async () => {
  const metrics = new MetricsRegistry();
  const authority = await createAuthority('hook.default.svc');
  const other = await createAuthority('other');
  let port = 0;
  const client = new WebhookClient(async () => connect(port, '127.0.0.1'), metrics);
  const outcomeOf = async (names: object, { by = authority, atUrl = true, address = '127.0.0.1' } = {}) => {
    const identity = { commonName: 'hook.default.svc', usages: ['server' as const], ...names };
    const { cert, key } = await issueCertificate(by, identity);
    const server = createServer({ cert, key }, (_, response) => response.end('{"kind":"Answer"}'));
    await once(server.listen(0, address), 'listening');
    port = (server.address() as AddressInfo).port;
    const caBundle = Buffer.from(authority.cert).toString('base64');
    const service = { namespace: 'default', name: 'hook' };
    const where = atUrl ? { url: `https://${joinHostPort(address, port)}/` } : { service };
    try {
      await client.post({ caBundle, ...where }, {}, 10_000);
      return 'answered';
    } catch (error) {
      return (error as Error).message.replace(/^.*?": (tls: failed to verify certificate: )?/, '');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  };
  const missing = () => /^apiserver_webhooks_x509_missing_san_total (\d+)$/m.exec(metrics.expose())?.[1];
  try {
    // The authority's name is that of the certificate, which OpenSSL alone would not see through.
    assert.equal(await outcomeOf({ ipAddresses: ['127.0.0.1'] }), 'answered');
    assert.equal(await outcomeOf({ ipAddresses: ['::1'] }, { address: '::1' }), 'answered');
    assert.equal(await outcomeOf({ dnsNames: ['hook.default.svc'] }, { atUrl: false }), 'answered');
    for (const [names, why, atUrl] of [
      [{ ipAddresses: ['127.0.0.2'] }, 'certificate is valid for 127.0.0.2, not 127.0.0.1', true],
      [
        { dnsNames: ['a'] },
        "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
        true,
      ],
      [{ dnsNames: ['a', 'b'] }, 'certificate is valid for a, b, not hook.default.svc', false],
      [
        { ipAddresses: ['127.0.0.1'] },
        'certificate is not valid for any names, but wanted to match hook.default.svc',
        false,
      ],
    ] as const)
      assert.equal(await outcomeOf(names, { atUrl }), `x509: ${why}`);
    const unknown = 'x509: certificate signed by unknown authority';
    assert.equal(await outcomeOf({ ipAddresses: ['127.0.0.1'] }, { by: other }), unknown);
    assert.equal(missing(), '0');
    const legacy = 'x509: certificate relies on legacy Common Name field, use SANs instead';
    assert.equal(await outcomeOf({}, { atUrl: false }), legacy);
    assert.equal(missing(), '1');
  } finally {
    client.close();
  }
});

test('an answer that is not of a webhook is told as upstream tells it', async () => {
  let given: { code: number; type?: string; text: string } = { code: 200, text: '' };
  await using hook = await startHook((_, response) => {
    response.writeHead(given.code, given.type ? { 'content-type': given.type } : {}).end(given.text);
  });
  const onServer = (text: string) =>
    `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`;
  const noObject = (found: string) =>
    `couldn't get version/kind; json parse error: json: cannot unmarshal ${found} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`;
  for (const [answer, why] of [
    [{ code: 500, text: ' broken\n' }, onServer('broken')],
    [{ code: 500, type: 'text/html', text: '<p>' }, onServer('<p>')],
    [{ code: 500, type: 'application/json', text: '{}' }, onServer('unknown')],
    [{ code: 503, text: 'no pods' }, 'the server is currently unable to handle the request'],
    [{ code: 403, type: 'text/plain', text: 'not you' }, 'not you'],
    [{ code: 401, text: 'who' }, 'the server has asked for the client to provide credentials'],
    [
      { code: 418, text: 'tea' },
      'the server responded with the status code 418 but did not return more information',
    ],
    [
      { code: 302, text: 'nowhere' },
      'the server responded with the status code 302 but did not return more information',
    ],
    [{ code: 204, text: '' }, '0-length response with status code: 204 and content type: application/json'],
    [
      { code: 200, type: 'text/plain', text: '' },
      '0-length response with status code: 200 and content type: text/plain',
    ],
    [{ code: 200, text: 'oops' }, noObject('string')],
    [{ code: 200, text: '[1]' }, noObject('array')],
    [
      { code: 200, text: '{oops' },
      "couldn't get version/kind; json parse error: invalid character 'o' looking for beginning of object key string",
    ],
    [
      { code: 200, text: '{"kind": 1}' },
      "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string",
    ],
  ] as const) {
    given = answer;
    await assert.rejects(hook.post(), { message: `failed to call webhook: ${why}` });
  }
});

test('a webhook may answer in YAML', async () => {
  await using hook = await startHook((_, response) =>
    response.end('kind: Answer\nresponse:\n  allowed: yes\n'),
  );
  assert.deepEqual(await hook.post(), { kind: 'Answer', response: { allowed: true } });
});

test('a webhook may send the server elsewhere, where the newer codes have it ask again', async () => {
  const asked: string[] = [];
  await using hook = await startHook(async (request, response) => {
    const body = await text(request);
    asked.push(`${request.method} ${request.url?.split('?')[0]} ${body}`);
    const [, code] = /^\/to-(\d+)/.exec(request.url ?? '') ?? [];
    const there = request.url?.startsWith('/loop') ? '/loop' : '/there/';
    if (code || there === '/loop') response.writeHead(Number(code ?? 307), { location: there }).end();
    else response.end('{"kind":"Answer"}');
  });
  for (const code of [307, 308, 302])
    assert.deepEqual(await hook.post(`/to-${code}`, { a: 1 }), { kind: 'Answer' });
  const question = '{"a":1}';
  assert.deepEqual(asked, [
    `POST /to-307 ${question}`,
    `POST /there/ ${question}`,
    `POST /to-308 ${question}`,
    `POST /there/ ${question}`,
    `POST /to-302 ${question}`,
    'GET /there/ ',
  ]);
  asked.length = 0;
  await assert.rejects(hook.post('/loop'), { message: /: stopped after 10 redirects$/ });
  assert.equal(asked.length, 10);
});

test('a webhook that says when it can answer is asked again then, until its time is up', async () => {
  let left = 2;
  await using hook = await startHook((request, response) => {
    const isLong = request.url?.startsWith('/long');
    if (isLong) response.writeHead(429, { 'retry-after': '60' }).end();
    else if (left-- > 0) response.writeHead(503, { 'retry-after': '0' }).end();
    else response.end('{"kind":"Answer"}');
  });
  assert.deepEqual(await hook.post(), { kind: 'Answer' });
  left = 11;
  await assert.rejects(hook.post(), { message: /the server is currently unable to handle the request$/ });
  assert.equal(left, 0);
  await assert.rejects(hook.post('/long', {}, 50), { message: /: context deadline exceeded$/ });
});

test('an answer may be packed, and one that breaks off is told as upstream tells it', async () => {
  const answer = '{"kind":"Answer"}';
  await using hook = await startHook((request, response) => {
    assert.equal(request.headers['accept-encoding'], 'gzip');
    const path = request.url?.split('?')[0];
    if (path === '/broken') {
      response.writeHead(200, { 'content-length': 100 }).flushHeaders();
      response.write('{', () => request.socket.destroy());
      return;
    }
    response.writeHead(200, { 'content-encoding': 'gzip' });
    response.end(path === '/packed' ? gzipSync(answer) : answer);
  });
  assert.deepEqual(await hook.post('/packed'), { kind: 'Answer' });
  const broken =
    'failed to call webhook: unexpected error when reading response body. Please retry. Original error: ';
  await assert.rejects(hook.post('/plain'), { message: `${broken}gzip: invalid header` });
  await assert.rejects(hook.post('/broken'), { message: `${broken}unexpected EOF` });
});

/** A webhook at a URL, and how it is asked. */
async function startHook(handle: RequestListener) {
  const authority = await createAuthority('hooks');
  const { cert, key } = await issueCertificate(authority, {
    commonName: 'hook',
    usages: ['server'],
    ipAddresses: ['127.0.0.1'],
  });
  const server = createServer({ cert, key }, handle);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = new WebhookClient(async () => assert.fail('no service'), new MetricsRegistry());
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const caBundle = Buffer.from(authority.cert).toString('base64');
  return {
    post: (path = '/', body: object = {}, timeoutMs = 10_000) =>
      client.post({ url: origin + path, caBundle }, body, timeoutMs),
    async [Symbol.asyncDispose]() {
      client.close();
      server.closeAllConnections();
      server.close();
    },
  };
}
