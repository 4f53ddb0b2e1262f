import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { createListeningServer, type ListeningServer } from '../http/listener.fixture.ts';
import { applyPatchType, mergePatch } from '../server.fixture.ts';
import { serveShops } from './shops.fixture.ts';

suite('status and scale of custom resources', () => {
  const version = (name: string, storage: boolean) => ({
    name,
    served: true,
    storage,
    ...(!storage && { deprecated: true }),
    schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    subresources: {
      status: {},
      scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
    },
  });

  let listening: ListeningServer;
  let shops: string;
  let send: Awaited<ReturnType<ListeningServer['as']>>;
  before(async () => {
    listening = await createListeningServer();
    shops = (await serveShops(listening.server, [version('v2', true), version('v1', false)]))('v2');
    send = await listening.as('admin', ['system:masters']);
    const shop = {
      apiVersion: 'example.com/v2',
      kind: 'Shop',
      metadata: { name: 's' },
      spec: { replicas: 1 },
    };
    await listening.server.ask('POST', shops, shop);
  });
  after(() => listening[Symbol.asyncDispose]());

  test('nobody comes to own metadata through the status', async () => {
    const { server } = listening;
    const metadata = { labels: { a: 'b' }, finalizers: ['a.b/c'] };
    const patch = { metadata, status: { replicas: 1 } };
    const { status, object } = await server.ask(
      'PATCH',
      `${shops}/s/status?fieldManager=me`,
      patch,
      mergePatch,
    );
    assert.equal(status, 200, object.message);
    const mine = object.metadata.managedFields.find(({ manager }: { manager: string }) => manager === 'me');
    assert.deepEqual(mine.fieldsV1, { 'f:status': { '.': {}, 'f:replicas': {} } });
  });

  test('a scale takes no strategic patch, and one of nothing is missed by the name of the kind', async () => {
    const { server } = listening;
    const strategic = 'application/strategic-merge-patch+json';
    assert.equal((await server.ask('PATCH', `${shops}/s/scale`, {}, strategic)).status, 415);
    const { object } = await server.ask('GET', `${shops}/none/scale`);
    assert.equal(object.message, 'shops.example.com "none" not found');
    const deployment = await server.ask('GET', '/apis/apps/v1/namespaces/default/deployments/none/scale');
    assert.equal(deployment.object.message, 'deployments.apps "none" not found');
  });

  test('what is not there is not found, whatever is applied to a part of it, or patched', async () => {
    const { server } = listening;
    const path = `${shops}/none/status?fieldManager=me`;
    const config = { apiVersion: 'example.com/v2', kind: 'Shop', metadata: { name: 'none' }, status: {} };
    assert.equal((await server.ask('PATCH', path, config, applyPatchType)).status, 404);
    const answer = await send('PATCH', `${shops}/none`, { 'content-type': mergePatch }, '[');
    assert.equal(answer.status, 404);
    const there = await send('PATCH', `${shops}/s`, { 'content-type': mergePatch }, '[');
    assert.equal(there.status, 400);
  });

  test('a deprecated version says so of status and scale, too', async () => {
    const { headers } = await send('GET', `${shops.replace('/v2/', '/v1/')}/s/scale`);
    assert.equal(headers.warning, '299 - "example.com/v1 Shop is deprecated; use example.com/v2 Shop"');
  });

  test('a finalizer that others may use as well is warned of, once', async () => {
    const patch = (finalizers: string[]) =>
      send(
        'PATCH',
        `${shops}/s`,
        { 'content-type': mergePatch },
        JSON.stringify({ metadata: { finalizers } }),
      );
    const hint = 'to avoid accidental conflicts with other finalizer writers';
    const { headers } = await patch(['x', 'foregroundDeletion', 'a.b/c']);
    assert.equal(
      headers.warning,
      `299 - "metadata.finalizers: \\"x\\": prefer a domain-qualified finalizer name ${hint}"`,
    );
    const next = await patch(['x', 'y.z', 'a.b/c']);
    assert.equal(
      next.headers.warning,
      `299 - "metadata.finalizers: \\"y.z\\": prefer a domain-qualified finalizer name including a path (/) ${hint}"`,
    );
  });

  test('a patch that takes the version of an object away is refused', async () => {
    const { server } = listening;
    const { status, object } = await server.ask(
      'PATCH',
      `${shops}/s`,
      { metadata: { resourceVersion: null } },
      mergePatch,
    );
    assert.equal(status, 422);
    assert.match(
      object.message,
      /metadata.resourceVersion: Invalid value: 0: must be specified for an update$/,
    );
  });
});
