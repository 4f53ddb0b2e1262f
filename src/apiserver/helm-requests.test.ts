/** The requests by which Helm keeps releases and applies what they consist of, and the answers it builds upon. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { createListeningServer, type ListeningServer, type Send } from './http/listener.fixture.ts';
import { jsonPatch, mergePatch } from './server.fixture.ts';

const json = { 'content-type': 'application/json', 'user-agent': 'Helm/4.2.4' };
const apply = { ...json, 'content-type': 'application/apply-patch+yaml' };
const secrets = '/api/v1/namespaces/default/secrets';
const configMaps = '/api/v1/namespaces/default/configmaps';
const options = 'fieldManager=helm&fieldValidation=Strict';

suite('requests of Helm', () => {
  let listening: ListeningServer;
  let send: Send;

  before(async () => {
    listening = await createListeningServer();
    send = await listening.as('admin', ['system:masters']);
  });
  after(() => listening[Symbol.asyncDispose]());

  async function ask(method: string, path: string, headers: Record<string, string> = json, body?: unknown) {
    const reply = await send(method, path, headers, body === undefined ? undefined : JSON.stringify(body));
    return { status: reply.status, body: JSON.parse(reply.body.toString()) };
  }

  const record = (revision: number, status: string, bytes = 10) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'helm.sh/release.v1',
    metadata: {
      name: `sh.helm.release.v1.web.v${revision}`,
      labels: { name: 'web', owner: 'helm', status, version: String(revision), modifiedAt: '1796075601' },
    },
    data: { release: Buffer.alloc(bytes, 'a').toString('base64') },
  });

  test('a revision is recorded once, found by its labels, and may take up to 1 MiB', async () => {
    const first = await ask('POST', secrets, json, record(1, 'superseded'));
    assert.equal(first.status, 201);
    assert.deepEqual(
      first.body.metadata.managedFields.map((entry: { manager: string }) => entry.manager),
      ['Helm'],
    );
    assert.equal((await ask('POST', secrets, json, record(2, 'deployed', 1_048_576))).status, 201);

    const twice = await ask('POST', secrets, json, record(2, 'pending-upgrade'));
    assert.equal(twice.status, 409);
    assert.equal(twice.body.reason, 'AlreadyExists', 'the slower of two upgrades at once');

    const large = await ask('POST', secrets, json, record(3, 'deployed', 1_048_577));
    assert.equal(large.status, 422);
    assert.equal(
      large.body.message,
      'Secret "sh.helm.release.v1.web.v3" is invalid: data: Too long: may not be more than 1048576 bytes',
    );

    const found = async (selector: string) => {
      const { body } = await ask('GET', `${secrets}?labelSelector=${encodeURIComponent(selector)}`);
      return body.items.map((item: { metadata: { name: string } }) => item.metadata.name);
    };
    assert.deepEqual(await found('name=web,owner=helm'), [
      'sh.helm.release.v1.web.v1',
      'sh.helm.release.v1.web.v2',
    ]);
    assert.deepEqual(await found('name=web,owner=helm,status=deployed'), ['sh.helm.release.v1.web.v2']);
    assert.deepEqual(await found('name=other,owner=helm'), []);
  });

  const settings = (a: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'default', labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
    data: { a },
  });
  const upgrade = (a: string, force = false) =>
    ask('PATCH', `${configMaps}/settings?${options}&force=${force}`, apply, settings(a));

  test('an upgrade meets what others have changed, and overrules them when it is told to', async () => {
    const created = await upgrade('1');
    assert.equal(created.status, 201);
    const again = await upgrade('1');
    assert.equal(again.status, 200);
    assert.equal(again.body.metadata.resourceVersion, created.body.metadata.resourceVersion);

    const edit = `${configMaps}/settings?fieldManager=kubectl-patch`;
    const edited = await ask('PATCH', edit, { 'content-type': mergePatch }, { data: { a: 'other' } });
    assert.equal(edited.status, 200);
    const refused = await upgrade('2');
    assert.equal(refused.status, 409);
    assert.equal(
      refused.body.message,
      'Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.a',
    );
    const forced = await upgrade('2', true);
    assert.equal(forced.status, 200);
    assert.deepEqual(forced.body.data, { a: '2' });
  });

  test('fields patched on the client are handed over to later applies', async () => {
    const strategic = { ...json, 'content-type': 'application/strategic-merge-patch+json' };
    await upgrade('3', true);
    await ask('PATCH', `${configMaps}/settings?fieldManager=helm`, strategic, { data: { a: '4' } });
    assert.equal((await upgrade('5')).status, 409, 'an update by the same manager is still another owner');

    const { body: live } = await ask('GET', `${configMaps}/settings`);
    const [applied, updated] = ['Apply', 'Update'].map((operation) =>
      live.metadata.managedFields.find(
        (entry: { manager: string; operation: string }) =>
          entry.manager === 'helm' && entry.operation === operation,
      ),
    );
    const merged = { ...applied, fieldsV1: { ...applied.fieldsV1, ...updated.fieldsV1 } };
    const handOver = (resourceVersion: string) =>
      ask('PATCH', `${configMaps}/settings?${options}`, { ...json, 'content-type': jsonPatch }, [
        { op: 'replace', path: '/metadata/managedFields', value: [merged] },
        { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
      ]);
    assert.equal((await handOver('1')).status, 409, 'the object has changed since it was read');
    assert.equal((await handOver(live.metadata.resourceVersion)).status, 200);

    const next = await upgrade('5');
    assert.equal(next.status, 200);
    assert.deepEqual(
      next.body.metadata.managedFields.map((entry: { operation: string }) => entry.operation),
      ['Apply'],
    );
  });

  test('a mistake in a chart is told by its path, and nothing is written', async () => {
    const wrong = { ...settings('1'), metadata: { name: 'wrong', namespace: 'default' }, dat: { a: 'b' } };
    const refused = await ask('PATCH', `${configMaps}/wrong?${options}&force=false`, apply, wrong);
    assert.equal(
      refused.body.message,
      'failed to create typed patch object (default/wrong; /v1, Kind=ConfigMap): .dat: field not declared in schema',
    );
    assert.equal((await ask('GET', `${configMaps}/wrong`)).status, 404);
  });

  test('a trial run on the server answers as if it had been done', async () => {
    const trial = { ...settings('1'), metadata: { name: 'trial', namespace: 'default' } };
    const tried = await ask('PATCH', `${configMaps}/trial?${options}&force=false&dryRun=All`, apply, trial);
    assert.equal(tried.status, 201);
    assert.ok(tried.body.metadata.uid);
    assert.equal((await ask('GET', `${configMaps}/trial`)).status, 404);
  });
});
