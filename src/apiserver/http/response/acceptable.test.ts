import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { parseAuditPolicy } from '../../audit/policy.ts';
import { createListeningServer, type ListeningServer, type Send } from '../listener.fixture.ts';

suite('what clients accept', () => {
  const lines: { stage: string; requestURI: string; responseStatus?: { code: number } }[] = [];
  const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata' }] };
  let listening: ListeningServer;
  let send: Send;

  before(async () => {
    listening = await createListeningServer({
      audit: { policy: parseAuditPolicy(policy), write: (line) => void lines.push(JSON.parse(line)) },
    });
    send = await listening.as('admin', ['system:masters']);
  });
  after(() => listening[Symbol.asyncDispose]());

  const objects = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
  const lists = `${objects}, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch`;
  const available = (types: string) => `406: Not Acceptable\n\nAvailable representations: ${types}`;
  const known = (types: string) => `only the following media types are accepted: ${types}`;
  const pod = '/api/v1/namespaces/default/pods/x';

  const cases: [method: string, path: string, accept: string, message: string][] = [
    ['GET', '/version', 'image/png', available('application/json')],
    ['GET', '/version/', 'application/yaml', available('application/json')],
    ['GET', '/api', 'text/plain', available(objects)],
    ['GET', '/apis/apps/v1', 'text/plain', available(objects)],
    ['GET', '/apis/apps', 'text/plain', known(objects)],
    ['GET', '/api/v1/namespaces', 'application/*', available(lists)],
    ['GET', '/api/v1/namespaces', 'APPLICATION/JSON', available(lists)],
    ['GET', '/api/v1/namespaces?watch=1', 'image/png', available(lists)],
    [
      'GET',
      '/api/v1/namespaces?watch=1',
      'application/yaml',
      known('application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch'),
    ],
    ['GET', pod, 'image/png', available(objects)],
    ['GET', pod, 'application/json;as=Table;g=meta.k8s.io;v=v9', known(objects)],
    ['GET', `${pod}/log`, 'image/png', available(`text/plain, ${objects}`)],
    ['GET', `${pod}/log`, 'text/plain', known(objects)],
    ['DELETE', '/api/v1/namespaces/default', 'image/png', available(objects)],
    [
      'GET',
      '/api/v1/namespaces',
      'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
      'you requested PartialObjectMetadata, but the requested object is a list (*core.NamespaceList)',
    ],
  ];

  for (const [method, path, accept, message] of cases)
    test(`${method} ${path} for ${accept} is refused, and the audit log knows`, async () => {
      lines.length = 0;
      const { status, body } = await send(method, path, { accept });
      assert.equal(status, 406);
      const text = body.toString();
      if (accept !== 'application/yaml') {
        assert.equal(JSON.parse(text).message, message);
        const readsJson = /^application\/(\*|json$)/i.test(accept);
        assert.equal(
          text.startsWith('{\n  "kind"'),
          !readsJson,
          'who can read nothing of it gets JSON for people',
        );
      } else assert.ok(text.startsWith('apiVersion: v1'), text);
      const complete = lines.filter(({ stage }) => stage === 'ResponseComplete');
      assert.deepEqual(
        complete.map(({ responseStatus }) => responseStatus?.code),
        [406],
      );
    });

  test('an acceptable type is found in a list, whatever its quality', async () => {
    for (const accept of ['image/png, application/json;q=0.1', '*/*', 'text/html;q=0.5, */*;q=0.1'])
      for (const path of ['/version', '/api', '/api/v1/namespaces'])
        assert.equal((await send('GET', path, { accept })).status, 200, `${path} for ${accept}`);
  });

  test('a slash behind a path is no part of it only where the router looks', async () => {
    const statusOf = async (path: string) => (await send('GET', path)).status;
    for (const path of ['/version/', '/api/', '/apis/', '/apis/apps/', '/api/v1/'])
      assert.equal(await statusOf(path), 200, path);
    for (const path of ['/metrics/', '/healthz/', '/readyz/', '/openapi/v2/', '/openapi/v3/', '/statusz/'])
      assert.equal(await statusOf(path), 404, path);
  });

  const tooLarge = (version: string) => new RegExp(`Too large resource version: ${version}, current: \\d+`);

  test('a watch that is to begin with what is there, as of a version yet to come, says so as an event', async () => {
    const query =
      'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=18446744073709551615';
    const { status, body } = await send('GET', `/api/v1/namespaces?${query}`);
    assert.equal(status, 200);
    const { type, object } = JSON.parse(body.toString());
    assert.deepEqual([type, object.code, object.reason], ['ERROR', 504, 'Timeout']);
    assert.match(object.message, tooLarge('18446744073709551615'));
  });

  test('a version beyond 64 bits is refused, and an exact state in the future is not waited for', async () => {
    const beyond = '18446744073709551616';
    const problem = `resourceVersion: Invalid value: "${beyond}": strconv.ParseUint: parsing "${beyond}": value out of range`;
    const messageOf = async (path: string) => {
      const { status, body } = await send('GET', path);
      return [status, JSON.parse(body.toString()).message];
    };
    const list = `/api/v1/namespaces?resourceVersion=${beyond}`;
    assert.deepEqual(await messageOf(list), [400, `invalid resource version: ${problem}`]);
    assert.deepEqual(await messageOf(`${list}&watch=1`), [500, problem]);
    assert.deepEqual(await messageOf(`/api/v1/namespaces/default?resourceVersion=${beyond}`), [500, problem]);
    const { status, headers, body } = await send(
      'GET',
      '/api/v1/namespaces?resourceVersion=99999999&resourceVersionMatch=Exact',
    );
    assert.deepEqual([status, headers['retry-after']], [504, undefined]);
    assert.match(body.toString(), tooLarge('99999999'));
  });
});
