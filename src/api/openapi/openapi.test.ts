import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesType, WireReader } from '../protobuf/wire.ts';
import type { JsonSchema, OpenApiGroupVersion } from './source.ts';
import { openApiV2Document } from './v2.ts';
import { encodeOpenApiV2 } from './v2-protobuf.ts';
import { documentHash, openApiIndex, openApiV3Document } from './v3.ts';

const everyVerb = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const apps: OpenApiGroupVersion = {
  group: 'apps',
  version: 'v1',
  resources: [
    { name: 'deployments', namespaced: true, kind: 'Deployment', verbs: everyVerb },
    {
      name: 'deployments/scale',
      namespaced: true,
      kind: 'Scale',
      group: 'autoscaling',
      version: 'v1',
      verbs: ['get', 'patch', 'update'],
    },
    { name: 'deployments/status', namespaced: true, kind: 'Deployment', verbs: ['get', 'patch', 'update'] },
  ],
};
const core: OpenApiGroupVersion = {
  group: '',
  version: 'v1',
  resources: [
    { name: 'nodes', namespaced: false, kind: 'Node', verbs: everyVerb },
    {
      name: 'nodes/proxy',
      namespaced: false,
      kind: 'NodeProxyOptions',
      verbs: ['create', 'delete', 'get', 'patch', 'update'],
    },
  ],
};
const widgets: OpenApiGroupVersion = {
  group: 'example.com',
  version: 'v1',
  resources: [{ name: 'widgets', namespaced: true, kind: 'Widget', verbs: everyVerb }],
  customSchemas: new Map([
    [
      'Widget',
      {
        type: 'object',
        description: 'A widget.',
        properties: {
          spec: {
            type: 'object',
            required: ['size'],
            properties: {
              size: { type: 'integer', description: 'How large.', default: 1, enum: [1, 2] },
              open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              either: { oneOf: [{ type: 'string' }], type: 'string', nullable: true },
            },
          },
        },
      },
    ],
  ]),
};

interface Json {
  [key: string]: Json;
}
const v3 = (source: OpenApiGroupVersion) => openApiV3Document(source, 'v1') as unknown as Json;
const v2 = openApiV2Document([core, apps, widgets], 'v1') as unknown as Json;

/** Every `$ref` within a document. */
function* refsOf(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  const ref = (value as JsonSchema).$ref;
  if (typeof ref === 'string') yield ref;
  for (const item of Object.values(value)) yield* refsOf(item);
}

function at(document: unknown, pointer: string): unknown {
  return pointer
    .slice(2)
    .split('/')
    .reduce<unknown>((value, key) => (value as JsonSchema | undefined)?.[key], document);
}

test('every reference of a document leads somewhere', () => {
  for (const document of [v3(core), v3(apps), v3(widgets), v2]) {
    for (const ref of new Set(refsOf(document))) assert.ok(at(document, ref), ref);
  }
});

test('a resource has upstream its paths, operations and names', () => {
  const { paths } = v3(apps);
  assert.deepEqual(
    Object.fromEntries(
      Object.entries(paths!).map(([path, item]) => [
        path,
        Object.keys(item)
          .filter((key) => key !== 'parameters')
          .join(),
      ]),
    ),
    {
      '/apis/apps/v1/namespaces/{namespace}/deployments': 'get,post,delete',
      '/apis/apps/v1/namespaces/{namespace}/deployments/{name}': 'get,put,delete,patch',
      '/apis/apps/v1/deployments': 'get',
      '/apis/apps/v1/watch/namespaces/{namespace}/deployments': 'get',
      '/apis/apps/v1/watch/namespaces/{namespace}/deployments/{name}': 'get',
      '/apis/apps/v1/watch/deployments': 'get',
      '/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale': 'get,put,patch',
      '/apis/apps/v1/namespaces/{namespace}/deployments/{name}/status': 'get,put,patch',
    },
  );
  const patch = paths!['/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale']!.patch!;
  assert.equal(patch.operationId, 'patchAppsV1NamespacedDeploymentScale');
  assert.equal(patch['x-kubernetes-action'], 'patch');
  assert.deepEqual(patch['x-kubernetes-group-version-kind'], {
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
  });
  const list = paths!['/apis/apps/v1/deployments']!.get!;
  assert.equal(list.operationId, 'listAppsV1DeploymentForAllNamespaces');
});

test('a proxy passes on every method, with and without a path', () => {
  const { paths } = v3(core);
  const methods = Object.keys(paths!['/api/v1/nodes/{name}/proxy/{path}']!).sort();
  assert.deepEqual(methods, ['delete', 'get', 'head', 'options', 'parameters', 'patch', 'post', 'put']);
  assert.equal(paths!['/api/v1/nodes/{name}/proxy']!.get!['x-kubernetes-action'], 'connect');
});

test('fields have descriptions, and references with anything beside them are wrapped', () => {
  const { schemas } = v3(apps).components!;
  const spec = schemas!['io.k8s.api.apps.v1.DeploymentSpec']!.properties!;
  assert.match(String(spec.replicas!.description), /^Number of desired pods/);
  assert.deepEqual(Object.keys(spec.template!), ['description', 'default', 'allOf']);
  const old = openApiV3Document(
    { ...apps, group: 'extensions', version: 'v1beta1' },
    'v1',
  ) as unknown as Json;
  const oldSpec = old.components!.schemas!['io.k8s.api.extensions.v1beta1.DeploymentSpec']!.properties!;
  assert.match(String(oldSpec.replicas!.description), /^Number of desired pods/);
});

test('OpenAPI 2 tells no defaults and enumerations, and its own forms of two types', () => {
  const definitions = v2.definitions!;
  assert.deepEqual(definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString']!.format, 'int-or-string');
  assert.equal(definitions['io.k8s.api.core.v1.ContainerPort']!.properties!.protocol!.default, undefined);
  assert.equal(definitions['io.k8s.api.core.v1.ContainerPort']!.properties!.protocol!.enum, undefined);
});

test('old kubectl finds dryRun within the operation', () => {
  const patch = v2.paths!['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']!.patch!;
  const names = (patch.parameters as unknown as { name?: string }[]).map(({ name }) => name);
  assert.ok(names.includes('dryRun') && names.includes('fieldValidation'));
});

test('a custom resource is published with what a document can say of it', () => {
  const widget = v3(widgets).components!.schemas!['com.example.v1.Widget']!;
  assert.deepEqual(widget['x-kubernetes-group-version-kind'], [
    { group: 'example.com', version: 'v1', kind: 'Widget' },
  ]);
  assert.equal(widget.properties!.spec!.properties!.size!.default, 1);
  const old = v2.definitions!['com.example.v1.Widget']!.properties!.spec!.properties!;
  assert.deepEqual(old, { size: { description: 'How large.', type: 'integer' }, open: {}, either: {} });
  assert.ok(v2.definitions!['com.example.v1.WidgetList']);
});

test('the hash of a document follows its resources', () => {
  const hash = documentHash(widgets, 'v1');
  assert.equal(documentHash(structuredClone({ ...widgets }), 'v1'), hash);
  assert.notEqual(documentHash({ ...widgets, resources: [] }, 'v1'), hash);
  assert.notEqual(documentHash({ ...widgets, customSchemas: new Map() }, 'v1'), hash);
  assert.deepEqual(openApiIndex([widgets], 'v1').paths, {
    'apis/example.com/v1': { serverRelativeURL: `/openapi/v3/apis/example.com/v1?hash=${hash}` },
  });
});

test('the protobuf form starts with its version and holds every definition by name', () => {
  const reader = new WireReader(encodeOpenApiV2(v2 as unknown as JsonSchema));
  const names: string[] = [];
  let swagger = '';
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 8 + bytesType) swagger = reader.string();
    else if (tag === 9 * 8 + bytesType) {
      const definitions = reader.message();
      while (!definitions.done) {
        definitions.tag();
        const entry = definitions.message();
        entry.tag();
        names.push(entry.string());
      }
    } else reader.skip(tag);
  }
  assert.equal(swagger, '2.0');
  assert.deepEqual(names, Object.keys(v2.definitions!));
});
