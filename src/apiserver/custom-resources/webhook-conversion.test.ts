import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import { CustomResourceDefinition, Namespace } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { type ApiServer, createApiServer } from '../server.ts';
import { startWebhookServer, type WebhookServer } from '../webhook-server.fixture.ts';

suite('conversion by webhook', () => {
  /** v1 has `host` and `port`, v2 one `address`. */
  interface Server1 extends KubeObject {
    spec: { host: string; port: string };
  }
  interface Server2 extends KubeObject {
    spec: { address: string; size?: number };
  }
  type AnyServer = KubeObject & { spec: { host?: string; port?: string; address?: string; size?: number } };
  interface Review {
    request: { uid: string; desiredAPIVersion: string; objects: AnyServer[] };
  }

  const typeOf = <T extends KubeObject>(version: string): ResourceType<T> => ({
    group: 'example.com',
    version,
    kind: 'Backend',
    plural: 'backends',
    namespaced: true,
  });
  const V1 = typeOf<Server1>('v1');
  const V2 = typeOf<Server2>('v2');

  let server: ApiServer;
  let client: Client;
  let hookServer: WebhookServer;
  let reviews: Review[] = [];
  let respond: (review: Review) => object = convertAll;

  function convertAll({ request }: Review): object {
    const convertedObjects = request.objects.map((object) => convertOne(object, request.desiredAPIVersion));
    return { uid: request.uid, result: { status: 'Success' }, convertedObjects };
  }

  function convertOne({ spec, ...object }: AnyServer, apiVersion: string): object {
    if (apiVersion === 'example.com/v2')
      return { ...object, apiVersion, spec: { address: `${spec.host}:${spec.port}` } };
    const [host, port] = spec.address!.split(':');
    return { ...object, apiVersion, spec: { host, port } };
  }

  before(async () => {
    hookServer = await startWebhookServer((review: Review) => {
      reviews.push(review);
      return {
        kind: 'ConversionReview',
        apiVersion: 'apiextensions.k8s.io/v1',
        response: respond(review),
      };
    });
    server = await createApiServer({
      store: createMemoryStore(),
      clock: systemClock,
      random: seededRandom(5),
      logger: silentLogger,
      metrics: new MetricsRegistry(),
    });
    client = createClient(server.localTransport({ name: 'admin', groups: ['system:masters'] }));
    await client.create(Namespace, { metadata: { name: 'shop' }, spec: {} });
    const version = (name: string, storage: boolean, properties: object) => ({
      name,
      served: true,
      storage,
      schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } },
      selectableFields: [{ jsonPath: storage ? '.spec.host' : '.spec.address' }],
    });
    const string = { type: 'string' };
    await client.create(CustomResourceDefinition, {
      metadata: { name: 'backends.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'backends', singular: 'backend', kind: 'Backend', listKind: 'BackendList' },
        versions: [
          version('v1', true, { host: string, port: string }),
          version('v2', false, {
            address: { ...string, pattern: '^[a-z0-9.]+:[0-9]+$' },
            size: { type: 'integer', default: 3 },
          }),
        ],
        conversion: {
          strategy: 'Webhook',
          webhook: {
            clientConfig: { url: `${hookServer.origin}/convert`, caBundle: hookServer.caBundle },
            conversionReviewVersions: ['v1'],
          },
        },
      },
    } as Parameters<typeof client.create<CustomResourceDefinition>>[1]);
    const selector = { fieldSelector: 'metadata.name=backends.example.com' };
    for await (const { object } of client.watch(
      CustomResourceDefinition,
      selector,
      AbortSignal.timeout(5_000),
    ))
      if (object.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True'))
        break;
  });
  after(async () => {
    await server.close();
    hookServer.close();
  });
  beforeEach(async () => {
    respond = convertAll;
    for (const { metadata } of (await client.list(V1, { namespace: 'shop' })).items)
      await client.delete(V1, metadata);
    reviews = [];
  });

  const at = (name: string) => ({ namespace: 'shop', name });

  test('an object is stored in one version and read in both, with the defaults of the stored one', async () => {
    const created = await client.create(V2, { metadata: at('a'), spec: { address: 'db:5432' } });
    assert.deepEqual(
      created.spec,
      { address: 'db:5432' },
      'the converter drops what the stored version has no place for',
    );
    assert.equal(created.apiVersion, 'example.com/v2');
    const stored = await client.get(V1, at('a'));
    assert.deepEqual(stored.spec, { host: 'db', port: '5432' });
    assert.equal(stored.metadata.uid, created.metadata.uid);
    reviews = [];
    assert.deepEqual((await client.get(V2, at('a'))).spec, { address: 'db:5432' });
    assert.equal(reviews.length, 0, 'what was converted for one reader is there for the next');
  });

  test('an object and its old state are validated in the version that the client speaks', async () => {
    const why =
      'spec.address: Invalid value: "UPPER:80": spec.address in body should match \'^[a-z0-9.]+:[0-9]+$\'';
    await assert.rejects(client.create(V2, { metadata: at('judged'), spec: { address: 'UPPER:80' } }), {
      code: 422,
      message: `Backend.example.com "judged" is invalid: ${why}`,
    });
    await client.create(V1, { metadata: at('judged'), spec: { host: 'UPPER', port: '80' } });
    // What was there before is not held against the client.
    const labels = { metadata: { labels: { a: 'b' } } };
    const patched = await client.patch(V2, at('judged'), labels, { type: 'merge' });
    assert.deepEqual(patched.metadata.labels, { a: 'b' });
    const spec = { spec: { address: 'OTHER:80' } };
    await assert.rejects(client.patch(V2, at('judged'), spec, { type: 'merge' }), { code: 422 });
  });

  test('a write asks for no conversion twice', async () => {
    const created = await client.create(V2, {
      metadata: at('once'),
      spec: { address: 'a.example:80', size: 1 },
    });
    assert.deepEqual(
      reviews.map(({ request }) => request.desiredAPIVersion),
      ['example.com/v1', 'example.com/v2'],
    );
    assert.equal(created.spec.address, 'a.example:80');
  });

  test('a list is converted by one call', async () => {
    for (const name of ['a', 'b', 'c'])
      await client.create(V1, { metadata: at(name), spec: { host: name, port: '1' } });
    reviews = [];
    const { items } = await client.list(V2, { namespace: 'shop' });
    assert.deepEqual(
      items.map(({ spec }) => spec.address),
      ['a:1', 'b:1', 'c:1'],
    );
    assert.deepEqual(
      reviews.map(({ request }) => request.objects.length),
      [3],
    );
  });

  test('updates, patches and server-side apply work in the version that the client speaks', async () => {
    const created = await client.create(V1, { metadata: at('a'), spec: { host: 'x', port: '1' } });
    const read = await client.get(V2, at('a'));
    const updated = await client.update(V2, { ...read, spec: { address: 'y:2' } });
    assert.deepEqual(updated.spec, { address: 'y:2' });
    await client.patch(V2, at('a'), { spec: { address: 'z:3' } }, { type: 'merge' });
    assert.deepEqual((await client.get(V1, at('a'))).spec, { host: 'z', port: '3' });
    const config = {
      apiVersion: 'example.com/v2',
      kind: 'Backend',
      metadata: at('a'),
      spec: { address: 'w:4' },
    };
    await client.patch(V2, at('a'), config, { type: 'apply', fieldManager: 'me', force: true });
    const last = await client.get(V1, at('a'));
    assert.deepEqual([last.spec, last.metadata.uid], [{ host: 'w', port: '4' }, created.metadata.uid]);
    const owners = last.metadata.managedFields?.map(({ manager, apiVersion }) => [manager, apiVersion]);
    assert.deepEqual(
      owners?.find(([manager]) => manager === 'me'),
      ['me', 'example.com/v2'],
    );
  });

  test('watchers get every event in their version, in order', async () => {
    await client.create(V1, { metadata: at('a'), spec: { host: 'x', port: '1' } });
    const seen: string[] = [];
    for await (const { type, object } of client.watch(
      V2,
      { namespace: 'shop' },
      AbortSignal.timeout(5_000),
    )) {
      seen.push(`${type} ${object.spec.address}`);
      if (seen.length === 1) {
        for (const port of ['2', '3', '4'])
          await client.patch(V1, at('a'), { spec: { port } }, { type: 'merge' });
        await client.delete(V1, at('a'));
      }
      if (type === 'DELETED') break;
    }
    assert.deepEqual(seen, ['ADDED x:1', 'MODIFIED x:2', 'MODIFIED x:3', 'MODIFIED x:4', 'DELETED x:4']);
  });

  test('the client gets the error of a webhook that fails or changes the object’s identity', async () => {
    await client.create(V1, { metadata: at('failing'), spec: { host: 'failing', port: '1' } });
    respond = ({ request }) => ({ uid: request.uid, result: { status: 'Failure', message: 'not today' } });
    await assert.rejects(client.get(V2, at('failing')), {
      code: 500,
      message: 'conversion webhook for example.com/v1, Kind=Backend failed: not today',
    });
    respond = (review) => {
      const { convertedObjects, ...rest } = convertAll(review) as { convertedObjects: AnyServer[] };
      const [object] = convertedObjects;
      return { ...rest, convertedObjects: [{ ...object, metadata: { ...object!.metadata, name: 'other' } }] };
    };
    await assert.rejects(
      client.get(V2, at('failing')),
      /returned invalid object: must have the same name: failing != other/,
    );
    await assert.rejects(client.delete(V2, at('failing')), { code: 500 });
    respond = convertAll;
    assert.equal((await client.get(V2, at('failing'))).spec.address, 'failing:1');
    respond = ({ request }) => ({ uid: request.uid, result: { status: 'Failure', message: 'not today' } });
    await client.delete(V1, at('failing'));
  });

  test('after the stored version changed, old objects are read and written as the new one', async () => {
    await client.create(V1, { metadata: at('old'), spec: { host: 'x', port: '1' } });
    const definition = await client.get(CustomResourceDefinition, { name: 'backends.example.com' });
    const versions = definition.spec.versions.map((version) => ({
      ...version,
      storage: version.name === 'v2',
    }));
    await client.update(CustomResourceDefinition, { ...definition, spec: { ...definition.spec, versions } });
    const inBoth = async () => [
      (await client.get(V1, at('old'))).spec,
      (await client.get(V2, at('old'))).spec,
      (await client.list(V2, { namespace: 'shop' })).items[0]!.apiVersion,
    ];
    const expected = [{ host: 'x', port: '1' }, { address: 'x:1', size: 3 }, 'example.com/v2'];
    assert.deepEqual(await inBoth(), expected);
    // An update without a change is how instances are migrated.
    const before = await client.get(V2, at('old'));
    const after = await client.update(V2, before);
    assert.notEqual(after.metadata.resourceVersion, before.metadata.resourceVersion);
    assert.deepEqual(await inBoth(), expected);
  });

  test('objects are selected by fields that only the version asked for has', async () => {
    for (const [name, host] of Object.entries({ a: 'db', b: 'web', c: 'db' }))
      await client.create(V1, { metadata: at(name), spec: { host, port: '1' } });
    const selector = { namespace: 'shop', fieldSelector: 'spec.address=db:1' };
    const namesOf = ({ items }: { items: Server2[] }) => items.map(({ metadata }) => metadata.name);
    assert.deepEqual(namesOf(await client.list(V2, selector)), ['a', 'c']);
    const { metadata } = await client.list(V2, { ...selector, limit: 1 });
    assert.ok(metadata?.continue);
    await assert.rejects(client.list(V1, selector), /field label not supported: spec.address/);
  });

  test('a watch sees objects come into a selection by such fields, change in it and leave it', async () => {
    await client.create(V1, { metadata: at('b'), spec: { host: 'web', port: '1' } });
    const selector = { namespace: 'shop', fieldSelector: 'spec.address=db:1' };
    const seen: string[] = [];
    const enough = new AbortController();
    const watching = (async () => {
      const signal = AbortSignal.any([enough.signal, AbortSignal.timeout(10_000)]);
      for await (const { type, object } of client.watch(V2, selector, signal)) {
        seen.push(`${type} ${object.metadata.name} ${(object as Server2).spec.address}`);
        if (object.metadata.name === 'last') break;
      }
    })();
    await client.create(V1, { metadata: at('a'), spec: { host: 'db', port: '1' } });
    const move = (name: string, spec: object) => client.patch(V1, at(name), { spec }, { type: 'merge' });
    await move('b', { host: 'db' });
    await client.patch(V1, at('a'), { metadata: { labels: { x: 'y' } } }, { type: 'merge' });
    await move('a', { port: '2' });
    await move('a', { port: '3' });
    await client.delete(V1, at('b'));
    await client.create(V1, { metadata: at('last'), spec: { host: 'db', port: '1' } });
    await watching;
    assert.deepEqual(seen, [
      'ADDED a db:1',
      'ADDED b db:1',
      'MODIFIED a db:1',
      'DELETED a db:1',
      'DELETED b db:1',
      'ADDED last db:1',
    ]);
  });
});
