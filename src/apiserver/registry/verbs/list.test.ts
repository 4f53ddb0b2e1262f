import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  configMap,
  configMaps,
  createTestServer,
  mergePatch,
  type TestServer,
} from '../../server.fixture.ts';

async function withConfigMaps(count: number): Promise<TestServer> {
  const server = await createTestServer();
  for (let index = 0; index < count; index++)
    await server.ask(
      'POST',
      configMaps,
      configMap(`c${String(index).padStart(3, '0')}`, {}, { even: String(index % 2 === 0) }),
    );
  return server;
}

const namesOf = (list: { items: { metadata: { name: string } }[] }) =>
  list.items.map(({ metadata }) => metadata.name);

test('pages together are the list as of the first page, whatever is written between them', async () => {
  await using server = await withConfigMaps(25);
  const whole = namesOf((await server.ask('GET', configMaps)).object);
  const names: string[] = [];
  let token = '';
  let version: string | undefined;
  for (let page = 0; ; page++) {
    const { object } = await server.ask('GET', `${configMaps}?limit=7${token && `&continue=${token}`}`);
    version ??= object.metadata.resourceVersion;
    assert.equal(object.metadata.resourceVersion, version);
    names.push(...namesOf(object));
    token = object.metadata.continue ?? '';
    assert.equal(object.metadata.remainingItemCount, token ? 25 - names.length : undefined);
    if (!token) break;
    await server.ask('DELETE', `${configMaps}/c0${20 + page}`);
    await server.ask('POST', configMaps, configMap(`d${page}`));
  }
  assert.deepEqual(names, whole);
});

test('pages of a selection hold only what it selects', async () => {
  await using server = await withConfigMaps(20);
  const { object: first } = await server.ask('GET', `${configMaps}?limit=6&labelSelector=even%3Dtrue`);
  const { object: second } = await server.ask(
    'GET',
    `${configMaps}?limit=6&labelSelector=even%3Dtrue&continue=${first.metadata.continue}`,
  );
  assert.equal(first.items.length, 6);
  assert.equal(second.items.length, 4);
  assert.equal(second.metadata.continue, undefined);
});

test('a page that continues another keeps its limit, whatever state the client accepts', async () => {
  await using server = await withConfigMaps(6);
  const first = await server.ask('GET', `${configMaps}?limit=2&resourceVersion=0`);
  assert.equal(first.object.items.length, 6);
  const { object } = await server.ask('GET', `${configMaps}?limit=2`);
  const next = await server.ask(
    'GET',
    `${configMaps}?limit=2&resourceVersion=0&continue=${object.metadata.continue}`,
  );
  assert.deepEqual(namesOf(next.object), ['c002', 'c003']);
});

test('a token whose history is gone expires, and its successor goes on with what is there now', async () => {
  await using server = await withConfigMaps(10);
  const { object: first } = await server.ask('GET', `${configMaps}?limit=4`);
  await server.ask('DELETE', `${configMaps}/c009`);
  await server.store.compact(await server.store.currentRevision());
  const gone = await server.ask('GET', `${configMaps}?limit=4&continue=${first.metadata.continue}`);
  assert.equal(gone.status, 410);
  assert.equal(gone.object.reason, 'Expired');
  const rest = await server.ask('GET', `${configMaps}?continue=${gone.object.metadata.continue}`);
  assert.deepEqual(namesOf(rest.object), ['c004', 'c005', 'c006', 'c007', 'c008']);
});

test('a token expires with its history also where nothing has changed that it lists', async () => {
  await using server = await withConfigMaps(10);
  const { object: first } = await server.ask('GET', `${configMaps}?limit=4`);
  await server.ask('POST', '/api/v1/namespaces/default/secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'other' },
  });
  await server.store.compact(await server.store.currentRevision());
  const { status, object } = await server.ask(
    'GET',
    `${configMaps}?limit=4&continue=${first.metadata.continue}`,
  );
  assert.deepEqual([status, object.reason], [410, 'Expired']);
});

test('an exact resourceVersion shows the past', async () => {
  await using server = await withConfigMaps(3);
  const { object: before } = await server.ask('GET', configMaps);
  await server.ask('DELETE', `${configMaps}/c001`);
  await server.ask('PATCH', `${configMaps}/c002`, { data: { x: 'new' } }, mergePatch);
  const version = before.metadata.resourceVersion;
  const { object: past } = await server.ask(
    'GET',
    `${configMaps}?resourceVersion=${version}&resourceVersionMatch=Exact`,
  );
  assert.deepEqual(namesOf(past), ['c000', 'c001', 'c002']);
  assert.deepEqual(past.items[2].data, undefined);
});

test('a resourceVersion in the future times out in upstream’s words', async () => {
  await using server = await withConfigMaps(1);
  const waiting = server.ask('GET', `${configMaps}?resourceVersion=99999&resourceVersionMatch=NotOlderThan`);
  await server.clock.advance(3_000);
  const { object } = await waiting;
  assert.equal(object.code, 504);
  assert.match(object.message, /^Timeout: Too large resource version: 99999, current: \d+$/);
});

test('field selectors choose by name, by namespace and by the fields of the kind', async () => {
  await using server = await withConfigMaps(3);
  const one = await server.ask('GET', `/api/v1/configmaps?fieldSelector=metadata.name%3Dc001`);
  assert.deepEqual(namesOf(one.object), ['c001']);
  const others = await server.ask('GET', `${configMaps}?fieldSelector=metadata.name!%3Dc001`);
  assert.deepEqual(namesOf(others.object), ['c000', 'c002']);
  const unknown = await server.ask('GET', `${configMaps}?fieldSelector=data.x%3D1`);
  assert.equal(unknown.status, 400);
});

test('field selectors of events work under the names that each of their two groups has', async () => {
  await using server = await createTestServer();
  const core = '/api/v1/namespaces/default/events';
  const newer = '/apis/events.k8s.io/v1/namespaces/default/events';
  const answer = await server.ask('POST', newer, {
    metadata: { name: 'e', namespace: 'default' },
    eventTime: '2020-01-01T00:00:00.000000Z',
    reportingController: 'tester',
    reportingInstance: 'tester-1',
    action: 'Do',
    reason: 'Test',
    type: 'Normal',
    regarding: { kind: 'Pod', namespace: 'default', name: 'p', uid: 'u' },
  });
  assert.equal(answer.status, 201);
  const counts = async (path: string, selectors: readonly string[]) => {
    const answers = await Promise.all(
      selectors.map((one) => server.ask('GET', `${path}?fieldSelector=${encodeURIComponent(one)}`)),
    );
    return Object.fromEntries(
      answers.map(({ object }, index) => [selectors[index], object.items?.length ?? object.message]),
    );
  };
  assert.deepEqual(
    await counts(newer, [
      'reportingController=tester',
      'reportingController=other',
      'regarding.name=p,regarding.kind=Pod',
      'regarding.name=q',
      'regarding.uid=u',
      'reason=Test,type=Normal',
      'metadata.name=e',
      'source=tester',
    ]),
    {
      'reportingController=tester': 1,
      'reportingController=other': 0,
      'regarding.name=p,regarding.kind=Pod': 1,
      'regarding.name=q': 0,
      'regarding.uid=u': 1,
      'reason=Test,type=Normal': 1,
      'metadata.name=e': 1,
      'source=tester': 'field label not supported: source',
    },
  );
  assert.deepEqual(
    await counts(core, [
      'source=tester',
      'reportingComponent=tester',
      'involvedObject.name=p',
      'type!=Normal',
    ]),
    { 'source=tester': 1, 'reportingComponent=tester': 1, 'involvedObject.name=p': 1, 'type!=Normal': 0 },
  );
});

test('a list has no initial events', async () => {
  await using server = await createTestServer();
  const { status, object } = await server.ask('GET', `${configMaps}?sendInitialEvents=true`);
  assert.equal(status, 422);
  assert.match(object.message, /sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list/);
});

test('a list at any revision is complete; a page at the current one has how many items remain', async () => {
  await using server = await withConfigMaps(5);
  const any = await server.ask('GET', `${configMaps}?limit=2&resourceVersion=0`);
  assert.equal(any.object.items.length, 5);
  assert.equal(any.object.metadata.continue, undefined);
  const { resourceVersion } = any.object.metadata;
  const exact = await server.ask('GET', `${configMaps}?limit=2&resourceVersion=${resourceVersion}`);
  assert.deepEqual(namesOf(exact.object), ['c000', 'c001']);
  assert.equal(exact.object.metadata.remainingItemCount, 3);
});
