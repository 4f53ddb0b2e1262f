import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import {
  CustomResourceDefinition,
  Namespace,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { createTestServer } from '../server.fixture.ts';
import { type ApiServer, createApiServer } from '../server.ts';

suite('custom resources', () => {
  type Widget = KubeObject & { spec: Record<string, unknown>; status?: Record<string, unknown> };

  let server: ApiServer;
  let client: Client;
  const store = createMemoryStore();

  before(async () => {
    server = await createApiServer({
      store,
      clock: new VirtualClock(),
      random: seededRandom(3),
      logger: silentLogger,
      metrics: new MetricsRegistry(),
    });
    client = createClient(server.localTransport({ name: 'admin', groups: ['system:masters'] }));
    await client.create(Namespace, { metadata: { name: 'shop' }, spec: {} });
  });
  after(() => server.close());

  const specSchema = {
    type: 'object',
    required: ['size'],
    properties: {
      size: { type: 'string', enum: ['s', 'm', 'l'] },
      replicas: { type: 'integer', default: 1 },
      max: { type: 'integer', default: 5 },
    },
    'x-kubernetes-validations': [{ rule: 'self.replicas <= self.max', message: 'too many replicas' }],
  };

  function widgetType(plural: string): ResourceType<Widget> {
    return { group: 'example.com', version: 'v1', kind: kindOf(plural), plural, namespaced: true };
  }

  function kindOf(plural: string): string {
    return plural[0]!.toUpperCase() + plural.slice(1, -1);
  }

  async function define(plural: string, spec: object = specSchema, kind = kindOf(plural)): Promise<void> {
    await client.create(CustomResourceDefinition, {
      metadata: { name: `${plural}.example.com` },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural, singular: plural.slice(0, -1), kind, listKind: `${kind}List` },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: {
              openAPIV3Schema: {
                type: 'object',
                properties: {
                  spec,
                  status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                },
              },
            },
            subresources: { status: {} },
          },
        ],
      },
    } as Parameters<typeof client.create<CustomResourceDefinition>>[1]);
  }

  /** The definition once a condition has the status. */
  async function withCondition(
    name: string,
    type: string,
    status: string,
  ): Promise<CustomResourceDefinition> {
    for await (const event of client.watch(
      CustomResourceDefinition,
      { fieldSelector: `metadata.name=${name}` },
      AbortSignal.timeout(5_000),
    )) {
      const found = event.object.status?.conditions?.find((condition) => condition.type === type);
      if (found?.status === status) return event.object;
    }
    throw new Error(`${name} did not become ${type}=${status}`);
  }

  const at = (name: string) => ({ namespace: 'shop', name });

  test('a definition is established, and its resources are defaulted, pruned, validated and served', async () => {
    await define('widgets');
    const established = await withCondition('widgets.example.com', 'Established', 'True');
    assert.deepEqual(established.status?.storedVersions, ['v1']);
    const Widget = widgetType('widgets');
    const created = await client.create(Widget, {
      metadata: at('a'),
      spec: { size: 's', unknown: 1 },
      status: { phase: 'dropped' },
    });
    assert.deepEqual(created.spec, { size: 's', replicas: 1, max: 5 });
    assert.equal(created.status, undefined);
    assert.equal(created.metadata.generation, 1);
    await assert.rejects(
      client.create(Widget, { metadata: at('b'), spec: { size: 'xl' } }),
      /Unsupported value: "xl"/,
    );
    await assert.rejects(
      client.create(Widget, { metadata: at('b'), spec: { size: 's', replicas: 9 } }),
      /spec: Invalid value: too many replicas/,
    );
  });

  test('a definition of v1beta1 keeps fields that it does not know, and refuses values that it forbids', async () => {
    const OldDefinition: ResourceType<KubeObject & { spec: object }> = {
      group: 'apiextensions.k8s.io',
      version: 'v1beta1',
      kind: 'CustomResourceDefinition',
      plural: 'customresourcedefinitions',
      namespaced: false,
    };
    await client.create(OldDefinition, {
      metadata: { name: 'relics.example.com' },
      spec: {
        group: 'example.com',
        version: 'v1',
        scope: 'Namespaced',
        names: { plural: 'relics', singular: 'relic', kind: 'Relic', listKind: 'RelicList' },
        // As in its time, without types.
        validation: {
          openAPIV3Schema: {
            properties: { spec: { properties: { replicas: { type: 'integer', maximum: 10 } } } },
          },
        },
      },
    });
    await withCondition('relics.example.com', 'Established', 'True');
    const Relic = widgetType('relics');
    const created = await client.create(Relic, { metadata: at('a'), spec: { replicas: 3, image: 'x' } });
    assert.deepEqual(created.spec, { replicas: 3, image: 'x' });
    await assert.rejects(
      client.create(Relic, { metadata: at('b'), spec: { replicas: 30 } }),
      /spec\.replicas: Invalid value: 30: spec\.replicas in body should be less than or equal to 10/,
    );
  });

  test('discovery lists the verbs of custom resources in upstream’s order', async () => {
    await define('oddments');
    await withCondition('oddments.example.com', 'Established', 'True');
    const discovered = await client.raw<{ resources: { name: string; verbs: string[] }[] }>(
      'GET',
      '/apis/example.com/v1',
    );
    assert.deepEqual(discovered.resources.find(({ name }) => name === 'oddments')?.verbs, [
      'delete',
      'deletecollection',
      'get',
      'list',
      'patch',
      'create',
      'update',
      'watch',
    ]);
  });

  test('status and spec are written apart, and the generation counts changes of the spec', async () => {
    await define('gadgets');
    await withCondition('gadgets.example.com', 'Established', 'True');
    const Gadget = widgetType('gadgets');
    const created = await client.create(Gadget, { metadata: at('a'), spec: { size: 's' } });
    const withStatus = await client.update(
      Gadget,
      { ...created, spec: { size: 'l' }, status: { phase: 'Ready' } },
      { subresource: 'status' },
    );
    assert.deepEqual(
      [withStatus.spec.size, withStatus.status, withStatus.metadata.generation],
      ['s', { phase: 'Ready' }, 1],
    );
    const changed = await client.patch(
      Gadget,
      at('a'),
      { spec: { size: 'm' }, status: { phase: 'x' } },
      { type: 'merge' },
    );
    assert.deepEqual(
      [changed.spec.size, changed.status, changed.metadata.generation],
      ['m', { phase: 'Ready' }, 2],
    );
  });

  test('a new schema holds at once, for what was stored before too', async () => {
    await define('gizmos', {
      type: 'object',
      properties: { size: { type: 'string' }, old: { type: 'string' } },
    });
    await withCondition('gizmos.example.com', 'Established', 'True');
    const Gizmo = widgetType('gizmos');
    await client.create(Gizmo, { metadata: at('a'), spec: { size: 's', old: 'x' } });
    const name = 'gizmos.example.com';
    const definition = await client.get(CustomResourceDefinition, { name });
    const properties = { size: { type: 'string' }, added: { type: 'string', default: 'late' } };
    const [version] = definition.spec.versions;
    const schema = {
      openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } },
    };
    await client.update(CustomResourceDefinition, {
      ...definition,
      spec: { ...definition.spec, versions: [{ ...version!, schema }] },
    } as CustomResourceDefinition);
    const read = await client.get(Gizmo, at('a'));
    assert.deepEqual(read.spec, { size: 's', added: 'late' });
    const { items } = await client.list(Gizmo, { namespace: 'shop' });
    assert.deepEqual(items[0]!.spec, { size: 's', added: 'late' });
  });

  test('a definition whose kind is taken is not established until the name is free', async () => {
    await define('doodads');
    await withCondition('doodads.example.com', 'Established', 'True');
    await define('others', specSchema, 'Doodad');
    const refused = await withCondition('others.example.com', 'NamesAccepted', 'False');
    const condition = refused.status?.conditions?.find(({ type }) => type === 'NamesAccepted');
    assert.deepEqual(
      [condition?.reason, condition?.message],
      ['ListKindConflict', '"DoodadList" is already in use'],
    );
    await client.delete(CustomResourceDefinition, { name: 'doodads.example.com' });
    await withCondition('others.example.com', 'Established', 'True');
  });

  test('deleting a definition deletes its instances first, waiting for their finalizers', async () => {
    await define('trinkets');
    await withCondition('trinkets.example.com', 'Established', 'True');
    const Trinket = widgetType('trinkets');
    await client.create(Trinket, { metadata: at('free'), spec: { size: 's' } });
    await client.create(Trinket, {
      metadata: { ...at('held'), finalizers: ['example.com/hold'] },
      spec: { size: 's' },
    });
    await client.delete(CustomResourceDefinition, { name: 'trinkets.example.com' });
    const { metadata, status } = await client.get(CustomResourceDefinition, { name: 'trinkets.example.com' });
    assert.deepEqual([metadata.generation, metadata.deletionGracePeriodSeconds], [1, undefined]);
    assert.match(status?.conditions?.at(-1)?.reason ?? '', /^InstanceDeletion(Pending|InProgress)$/);
    await assert.rejects(client.create(Trinket, { metadata: at('late'), spec: { size: 's' } }), {
      code: 403,
      message:
        'trinkets.example.com "late" is forbidden: create not allowed while custom resource definition is terminating',
    });
    await withCondition('trinkets.example.com', 'Terminating', 'True');
    for await (const { object } of client.watch(Trinket, { namespace: 'shop' }, AbortSignal.timeout(5_000))) {
      if (object.metadata.name === 'held' && object.metadata.deletionTimestamp) break;
    }
    await client.patch(Trinket, at('held'), { metadata: { finalizers: null } }, { type: 'merge' });
    for await (const event of client.watch(CustomResourceDefinition, {}, AbortSignal.timeout(5_000))) {
      if (event.type === 'DELETED' && event.object.metadata.name === 'trinkets.example.com') break;
      if (event.type === 'BOOKMARK') throw new Error('the definition stays');
      const { items } = await client.list(CustomResourceDefinition);
      if (!items.some(({ metadata }) => metadata.name === 'trinkets.example.com')) break;
    }
    await assert.rejects(client.get(Trinket, at('free')), { code: 404 });
  });

  test('a definition whose instances may not go keeps neither other instances nor other definitions', {
    timeout: 20_000,
  }, async () => {
    await define('sprockets');
    await withCondition('sprockets.example.com', 'Established', 'True');
    const Sprocket = widgetType('sprockets');
    for (let index = 0; index < 40; index++)
      await client.create(Sprocket, {
        metadata: at(index === 0 ? 'kept' : `free-${index}`),
        spec: { size: 's' },
      });
    const resourceRules = [
      {
        apiGroups: ['example.com'],
        apiVersions: ['*'],
        resources: ['sprockets'],
        operations: ['DELETE' as const],
      },
    ];
    await client.create(ValidatingAdmissionPolicy, {
      metadata: { name: 'keep' },
      spec: {
        matchConstraints: { resourceRules },
        validations: [{ expression: 'oldObject.metadata.name != "kept"' }],
      },
    });
    await client.create(ValidatingAdmissionPolicyBinding, {
      metadata: { name: 'keep' },
      spec: { policyName: 'keep', validationActions: ['Deny'] },
    });
    await client.delete(CustomResourceDefinition, { name: 'sprockets.example.com' });
    await withCondition('sprockets.example.com', 'Terminating', 'True');
    // The clock stands still: nothing is retried.
    await define('cogs');
    await withCondition('cogs.example.com', 'Established', 'True');
    for (;;) {
      const { items } = await client.list(Sprocket, { namespace: 'shop' });
      if (items.length === 1) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test('a server starts with a definition that it cannot serve, and serves the others', async () => {
    const { entries } = await store.list('/registry/');
    const entry = entries.find(({ key }) => key.endsWith('/cogs.example.com'))!;
    const odd = JSON.parse(Buffer.from(entry.value).toString());
    odd.spec.versions[0].selectableFields = [{ jsonPath: '.spec[' }];
    await store.update(entry.key, Buffer.from(JSON.stringify(odd)), entry.modRevision);
    await using again = await createTestServer({ store });
    const { status } = await again.ask('GET', '/apis/example.com/v1/namespaces/shop/widgets');
    assert.equal(status, 200);
  });

  test('a printer column whose path cannot be read is empty, and the definition is served', async () => {
    await define('levers');
    const name = 'levers.example.com';
    await withCondition(name, 'Established', 'True');
    const column = (name: string, jsonPath: string) => ({ name, type: 'string', jsonPath });
    const value = [
      column('Odd', '.spec['),
      column('Size', '.spec.size'),
      { ...column('When', '.spec.none'), type: 'date' },
    ];
    const path = '/spec/versions/0/additionalPrinterColumns';
    await client.patch(CustomResourceDefinition, { name }, [{ op: 'add', path, value }], { type: 'json' });
    const lever = await client.create(widgetType('levers'), { metadata: at('a'), spec: { size: 's' } });
    const { columns } = server.registry.kinds.find('example.com', 'v1', 'levers')!.definition;
    assert.deepEqual(
      columns.map(({ name, cell }) => [name, cell(lever, { nowMs: 0 })]),
      [
        ['Name', 'a'],
        ['Odd', undefined],
        ['Size', 's'],
        ['When', null],
      ],
    );
    assert.equal(
      columns.at(-1)?.description,
      'Custom resource definition column (in JSONPath format): .spec.none',
    );
  });

  test('a definition that cannot be served takes its instances along, whatever holds them', async () => {
    const own = createMemoryStore();
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const instances = '/apis/example.com/v1/namespaces/default/cogs';
    {
      await using before = await createTestServer({ store: own });
      const schema = { openAPIV3Schema: { type: 'object' } };
      await before.ask('POST', definitions, {
        metadata: { name: 'cogs.example.com' },
        spec: {
          group: 'example.com',
          scope: 'Namespaced',
          names: { plural: 'cogs', kind: 'Cog' },
          versions: [{ name: 'v1', served: true, storage: true, schema }],
        },
      });
      const cog = {
        apiVersion: 'example.com/v1',
        kind: 'Cog',
        metadata: { name: 'c', finalizers: ['a.b/c'] },
      };
      await before.clock.advanceUntil(async () => (await before.ask('POST', instances, cog)).status === 201);
    }
    const stored = async (key: string) => (await own.get(key)).entry;
    const entry = (await stored(
      '/registry/apiextensions.k8s.io/customresourcedefinitions/cogs.example.com',
    ))!;
    const odd = JSON.parse(Buffer.from(entry.value).toString());
    odd.spec.versions[0].selectableFields = [{ jsonPath: '.spec[' }];
    await own.update(entry.key, Buffer.from(JSON.stringify(odd)), entry.modRevision);
    await using server = await createTestServer({ store: own });
    assert.equal((await server.ask('GET', instances)).status, 404);
    assert.ok(await stored('/registry/example.com/cogs/default/c'));
    await server.ask('DELETE', `${definitions}/cogs.example.com`);
    await server.clock.advanceUntil(async () => {
      return (await server.ask('GET', `${definitions}/cogs.example.com`)).status === 404;
    });
    assert.equal(await stored('/registry/example.com/cogs/default/c'), undefined);
  });
});
