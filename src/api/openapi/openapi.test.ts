import assert from 'node:assert/strict';
import { test } from 'node:test';
import protobuf from 'protobufjs';
import { bytesType, WireReader } from '../protobuf/wire.ts';
import { rootPaths } from './root-paths.ts';
import type { JsonSchema, OpenApiGroupVersion } from './source.ts';
import { openApiV2Document } from './v2.ts';
import { encodeOpenApiV2 } from './v2-protobuf.ts';
import { documentHash, openApiIndex, openApiV3Document, openApiV3RootDocument } from './v3.ts';
import { encodeOpenApiV3 } from './v3-protobuf.ts';

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
  resources: [
    { name: 'widgets', namespaced: true, kind: 'Widget', verbs: everyVerb },
    { name: 'widgets/status', namespaced: true, kind: 'Widget', verbs: ['get', 'patch', 'update'] },
  ],
  customSchemas: new Map([
    [
      'Widget',
      {
        type: 'object',
        description: 'A widget.',
        'x-kubernetes-selectable-fields': [{ fieldPath: 'spec.size' }],
        properties: {
          spec: {
            type: 'object',
            required: ['size', 'either'],
            properties: {
              size: { type: 'integer', description: 'How large.', default: 1, enum: [1, 2] },
              open: {
                type: 'object',
                'x-kubernetes-preserve-unknown-fields': true,
                properties: { known: { type: 'string' } },
              },
              port: { 'x-kubernetes-int-or-string': true },
              count: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
              small: { 'x-kubernetes-int-or-string': true, anyOf: [{ maximum: 5 }] },
              either: { oneOf: [{ type: 'string' }], type: 'string', nullable: true },
              any: { type: 'array', items: { type: 'string', nullable: true } },
              pod: { type: 'object', 'x-kubernetes-embedded-resource': true },
              openPod: {
                type: 'object',
                'x-kubernetes-embedded-resource': true,
                'x-kubernetes-preserve-unknown-fields': true,
              },
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
const v3 = (source: OpenApiGroupVersion) => openApiV3Document(source, 'v1') as Json;
const v2 = openApiV2Document([core, apps, widgets], 'v1') as Json;

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
      '/apis/apps/v1/': 'get',
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
  const old = openApiV3Document({ ...apps, group: 'extensions', version: 'v1beta1' }, 'v1') as Json;
  const oldSpec = old.components!.schemas!['io.k8s.api.extensions.v1beta1.DeploymentSpec']!.properties!;
  assert.match(String(oldSpec.replicas!.description), /^Number of desired pods/);
});

test('OpenAPI 2 has enumerations, but no defaults, and its own forms of two types', () => {
  const definitions = v2.definitions!;
  assert.deepEqual(definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString']!.format, 'int-or-string');
  assert.equal(definitions['io.k8s.api.core.v1.ContainerPort']!.properties!.protocol!.default, undefined);
  const { protocol } = definitions['io.k8s.api.core.v1.ContainerPort']!.properties!;
  assert.deepEqual(protocol!.enum, ['SCTP', 'TCP', 'UDP']);
});

test('old kubectl finds dryRun within the operation', () => {
  const patch = v2.paths!['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']!.patch!;
  const names = (patch.parameters as unknown as { name?: string }[]).map(({ name }) => name);
  assert.ok(names.includes('dryRun') && names.includes('fieldValidation'));
});

/** What an operation or a path takes, by name and place. */
function parametersOf(value: Json | undefined): string[] {
  const all = (value?.parameters ?? []) as unknown as JsonSchema[];
  return all
    .map(({ $ref, ...own }) => (typeof $ref === 'string' ? (at(v2, $ref) as JsonSchema) : own))
    .map((parameter) => `${parameter.name}/${parameter.in}`);
}

test('parameters of all operations of a path are listed at the path, others at each operation', () => {
  const object = v2.paths!['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']!;
  assert.deepEqual(parametersOf(object), ['name/path', 'namespace/path', 'pretty/query']);
  assert.deepEqual(parametersOf(object.get), []);
  assert.deepEqual(parametersOf(object.put), [
    'body/body',
    'dryRun/query',
    'fieldManager/query',
    'fieldValidation/query',
  ]);
  const watch = v2.paths!['/apis/apps/v1/watch/deployments']!;
  assert.equal(parametersOf(watch.get).length, 0);
  assert.ok(parametersOf(watch).includes('watch/query'));
});

test('parameters of many operations stand once in an OpenAPI 2 document, those of one kind in their place', () => {
  const create = v2.paths!['/apis/apps/v1/namespaces/{namespace}/deployments']!.post!;
  const [body, , fieldManager] = create.parameters as unknown as JsonSchema[];
  assert.deepEqual(body!.schema, { $ref: '#/definitions/io.k8s.api.apps.v1.Deployment' });
  assert.match(String(fieldManager!.$ref), /^#\/parameters\/fieldManager-[\w-]{8}$/);
  const patch = v2.paths!['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']!.patch!;
  const refs = (patch.parameters as unknown as JsonSchema[]).map(({ $ref }) => $ref);
  assert.ok(!refs.includes(fieldManager!.$ref), "a patch's manager is described apart");
});

test('a connection takes the fields of its options', () => {
  const { paths } = v3(core);
  const withPath = paths!['/api/v1/nodes/{name}/proxy/{path}'];
  assert.deepEqual(parametersOf(withPath), ['name/path', 'path/path', 'path/query']);
});

test('a delete answers with a Status, or with the object where the kind has it so', () => {
  const answers = (returnsDeleted: boolean) => {
    const resources = [{ name: 'nodes', namespaced: false, kind: 'Node', verbs: ['delete'], returnsDeleted }];
    const document = v3({ group: '', version: 'v1', resources });
    const { responses } = document.paths!['/api/v1/nodes/{name}']!.delete!;
    return [...new Set(refsOf(responses))];
  };
  assert.deepEqual(answers(false), ['#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Status']);
  assert.deepEqual(answers(true), ['#/components/schemas/io.k8s.api.core.v1.Node']);
});

test('custom resources have no watch paths, no protobuf and no strategic patches', () => {
  const { paths } = v3(widgets);
  assert.deepEqual(Object.keys(paths!), [
    '/apis/example.com/v1/namespaces/{namespace}/widgets',
    '/apis/example.com/v1/namespaces/{namespace}/widgets/{name}',
    '/apis/example.com/v1/widgets',
    '/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/status',
  ]);
  assert.equal(
    paths!['/apis/example.com/v1/namespaces/{namespace}/widgets']!.delete!.operationId,
    'deleteExampleComV1CollectionNamespacedWidget',
  );
  const { get, patch } = paths!['/apis/example.com/v1/namespaces/{namespace}/widgets/{name}']!;
  assert.deepEqual(Object.keys(get!.responses!['200']!.content!), ['application/json', 'application/yaml']);
  assert.deepEqual(Object.keys(patch!.requestBody!.content!), [
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/apply-patch+yaml',
  ]);
});

test('the paths of discovery are described, each in a document of its own and in that of its version', () => {
  const roots = rootPaths([core, apps, widgets]);
  const group = openApiV3RootDocument(roots.get('apis/apps')!, 'v1') as Json;
  assert.equal(group.paths!['/apis/apps/']!.get!.operationId, 'getAppsAPIGroup');
  assert.ok(group.components!.schemas!['io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionForDiscovery']);
  assert.equal(v3(apps).paths!['/apis/apps/v1/']!.get!.operationId, 'getAppsV1APIResources');
  for (const path of ['/api/', '/apis/', '/version/', '/openid/v1/jwks/']) assert.ok(v2.paths![path], path);
});

test('a document names the common options under its own group and the core group alone', () => {
  const { schemas } = v3(apps).components!;
  const options = schemas!['io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions']!;
  const kinds = options['x-kubernetes-group-version-kind'] as unknown as { group: string }[];
  assert.deepEqual(
    kinds.map(({ group }) => group),
    ['', 'apps'],
  );
});

test('a custom resource is published with what a document can say of it', () => {
  const widget = v3(widgets).components!.schemas!['com.example.v1.Widget']!;
  assert.deepEqual(widget['x-kubernetes-group-version-kind'], [
    { group: 'example.com', version: 'v1', kind: 'Widget' },
  ]);
  assert.equal(widget.properties!.spec!.properties!.size!.default, 1);
  const either = [{ type: 'integer' }, { type: 'string' }];
  const { port, count, small } = widget.properties!.spec!.properties!;
  assert.deepEqual([port!.anyOf, count!.anyOf, count!.allOf], [either, either, undefined]);
  assert.deepEqual([small!.anyOf, small!.allOf], [[{ maximum: 5 }], [{ anyOf: either }]]);
  const { required, properties } = v2.definitions!['com.example.v1.Widget']!.properties!.spec!;
  assert.deepEqual(required, ['size']);
  const { pod, ...others } = properties!;
  assert.deepEqual(others, {
    size: { description: 'How large.', type: 'integer', enum: [1, 2] },
    open: { 'x-kubernetes-preserve-unknown-fields': true },
    port: { 'x-kubernetes-int-or-string': true },
    count: { 'x-kubernetes-int-or-string': true },
    small: { 'x-kubernetes-int-or-string': true },
    either: {},
    any: { type: 'array', items: {} },
    openPod: { 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
  });
  assert.deepEqual(pod!.required, ['kind', 'apiVersion']);
  assert.deepEqual(Object.keys(pod!.properties!), ['apiVersion', 'kind', 'metadata']);
  const list = v2.definitions!['com.example.v1.WidgetList']!;
  assert.match(String(list.properties!.items!.description), /^List of widgets\. More info: /);
  assert.deepEqual(list['x-kubernetes-selectable-fields'], [{ fieldPath: 'spec.size' }]);
});

test('the hash of a document follows its resources', () => {
  const hash = documentHash(widgets, 'v1');
  assert.equal(documentHash(structuredClone({ ...widgets }), 'v1'), hash);
  assert.notEqual(documentHash({ ...widgets, resources: [] }, 'v1'), hash);
  assert.notEqual(documentHash({ ...widgets, customSchemas: new Map() }, 'v1'), hash);
  const { paths } = openApiIndex([widgets, apps], 'v1');
  assert.equal(
    paths['apis/example.com/v1']?.serverRelativeURL,
    `/openapi/v3/apis/example.com/v1?hash=${hash}`,
  );
  assert.deepEqual(Object.keys(paths), [
    '.well-known/openid-configuration',
    'api',
    'apis',
    'apis/apps',
    'apis/apps/v1',
    'apis/example.com/v1',
    'openid/v1/jwks',
    'version',
  ]);
});

test('the protobuf form starts with its version and holds every definition by name', () => {
  const reader = new WireReader(encodeOpenApiV2(v2 as JsonSchema));
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

/** What clients read of gnostic's openapi.v3, by its field numbers. */
const v3Messages = `
  syntax = "proto3";
  message Document { string openapi = 1; Paths paths = 4; Components components = 5; }
  message Paths { repeated NamedPathItem path = 1; }
  message NamedPathItem { string name = 1; PathItem value = 2; }
  message PathItem { Operation get = 4; repeated ParameterOrReference parameters = 13; }
  message ParameterOrReference { Parameter parameter = 1; }
  message Parameter { string name = 1; string in = 2; bool required = 4; SchemaOrReference schema = 10; }
  message Operation { string operationId = 5; Responses responses = 8; repeated NamedAny extensions = 13; }
  message Responses { repeated NamedResponse response = 2; }
  message NamedResponse { string name = 1; }
  message NamedAny { string name = 1; Any value = 2; }
  message Any { string yaml = 2; }
  message Components { Schemas schemas = 1; }
  message Schemas { repeated NamedSchema named = 1; }
  message NamedSchema { string name = 1; SchemaOrReference value = 2; }
  message SchemaOrReference { oneof either { Schema schema = 1; Reference reference = 2; } }
  message Reference { string ref = 1; }
  message Schema {
    bool nullable = 1; repeated string required = 23; repeated Any enum = 24; string type = 25;
    repeated SchemaOrReference allOf = 26; repeated SchemaOrReference oneOf = 27; Items items = 30;
    Schemas properties = 31; Additional additionalProperties = 32; Default default = 33;
    string description = 34; repeated NamedAny extensions = 36;
  }
  message Items { repeated SchemaOrReference schema = 1; }
  message Additional { oneof either { SchemaOrReference schema = 1; bool boolean = 2; } }
  message Default { oneof either { double number = 1; bool boolean = 2; string string = 3; } }`;

test('an OpenAPI 3 document says the same in protobuf', () => {
  const type = protobuf.parse(v3Messages, { keepCase: true }).root.lookupType('Document');
  const decoded = (source: OpenApiGroupVersion) =>
    type.toObject(type.decode(encodeOpenApiV3(openApiV3Document(source, 'v1'))), { defaults: false }) as Json;
  const schemasOf = (schemas: unknown) =>
    Object.fromEntries(
      (schemas as { named: { name: string; value: { schema: Json } }[] }).named.map(({ name, value }) => [
        name,
        value.schema as Json,
      ]),
    );
  const document = decoded(apps);
  assert.equal(document.openapi, '3.0.0');
  const all = schemasOf(document.components!.schemas);
  assert.deepEqual(Object.keys(all), Object.keys(v3(apps).components!.schemas!));
  const [, path] = document.paths!.path as unknown as { name: string; value: Json }[];
  assert.equal(path!.name, '/apis/apps/v1/namespaces/{namespace}/deployments');
  assert.equal(path!.value.get!.operationId, 'listAppsV1NamespacedDeployment');
  assert.deepEqual(path!.value.get!.extensions?.[0], {
    name: 'x-kubernetes-action',
    value: { yaml: '"list"\n' },
  });
  const spec = schemasOf(all['io.k8s.api.apps.v1.DeploymentSpec']!.properties);
  assert.deepEqual(spec.template!.allOf, [
    { reference: { ref: '#/components/schemas/io.k8s.api.core.v1.PodTemplateSpec' } },
  ]);
  assert.deepEqual(spec.template!.default, {}, 'a default of {} has no form');
  const selector = schemasOf(all['io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector']!.properties);
  assert.equal(selector.matchLabels!.additionalProperties!.schema!.schema!.type, 'string');

  const widget = schemasOf(
    schemasOf(decoded(widgets).components!.schemas)['com.example.v1.Widget']!.properties,
  );
  const { size, either } = schemasOf(widget.spec!.properties);
  assert.deepEqual(size, {
    type: 'integer',
    description: 'How large.',
    default: { number: 1 },
    enum: [{ yaml: '1\n' }, { yaml: '2\n' }],
  });
  assert.deepEqual([either!.nullable, either!.oneOf], [true, [{ schema: { type: 'string' } }]]);
});
