import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../base/json-object.ts';
import { StatusError } from '../../status.ts';
import { decode } from '../decode.ts';
import { trackUpdate } from '../fields/managed-fields.ts';
import { SchemaField, type SchemaNode } from '../schemas.ts';
import { applyConfig } from './apply.ts';
import { applyMergePatch } from './merge-patch.ts';

/** One object on a server, as far as ownership of fields goes. */
class Live {
  object: JsonObject | undefined;
  readonly #schema: string;
  readonly #kind: { apiVersion: string; kind: string };
  #second = 0;

  constructor(schema: string, apiVersion: string, kind: string) {
    this.#schema = schema;
    this.#kind = { apiVersion, kind };
  }

  #context(manager: string, subresource = '') {
    const time = `2026-01-01T00:00:${String(this.#second++).padStart(2, '0')}Z`;
    return { schema: this.#schema, ...this.#kind, subresource, manager, time, resetFields: [['status']] };
  }

  apply(manager: string, config: JsonObject, force = false): JsonObject {
    const full = { ...this.#kind, ...config, metadata: { name: 'x', ...(config.metadata as JsonObject) } };
    const applied = applyConfig(this.object, full, { ...this.#context(manager), force });
    this.object = decode(this.#schema, applied).object;
    return this.object;
  }

  create(manager: string, object: JsonObject): JsonObject {
    const full = { ...this.#kind, ...object, metadata: { name: 'x', ...(object.metadata as JsonObject) } };
    const next = decode<JsonObject>(this.#schema, full).object;
    trackUpdate(undefined, next, this.#context(manager));
    this.object = next;
    return next;
  }

  merge(manager: string, patch: JsonObject): JsonObject {
    const next = decode<JsonObject>(this.#schema, applyMergePatch(this.object, patch)).object;
    trackUpdate(this.object, next, this.#context(manager));
    this.object = next;
    return next;
  }

  /** `manager/operation` → fields */
  owners(): Record<string, unknown> {
    const entries = ((this.object!.metadata as JsonObject).managedFields ?? []) as JsonObject[];
    return Object.fromEntries(
      entries.map((entry) => [`${entry.manager}/${entry.operation}`, entry.fieldsV1]),
    );
  }
}

const configMap = () => new Live('io.k8s.api.core.v1.ConfigMap', 'v1', 'ConfigMap');
const deployment = () => new Live('io.k8s.api.apps.v1.Deployment', 'apps/v1', 'Deployment');
const podTemplate = (containers: JsonObject[]) => ({
  metadata: { labels: { a: 'b' } },
  spec: { containers },
});
const web = (containers: JsonObject[]): JsonObject => ({
  spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template: podTemplate(containers) },
});
const justContainers = (containers: JsonObject[]): JsonObject => ({
  spec: { template: { spec: { containers } } },
});

function refusal(act: () => unknown): StatusError {
  try {
    act();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('an applied object belongs to its manager', () => {
  const live = configMap();
  live.apply('one', { data: { a: '1' } });
  assert.deepEqual(live.owners(), { 'one/Apply': { 'f:data': { 'f:a': {} } } });
});

test('a created object belongs to its creator, maps included', () => {
  const live = configMap();
  live.create('parity', { data: { a: '1' } });
  assert.deepEqual(live.owners(), { 'parity/Update': { 'f:data': { '.': {}, 'f:a': {} } } });
});

test('fields that a manager no longer applies are removed', () => {
  const live = configMap();
  live.apply('one', { data: { a: '1', b: '2' } });
  assert.deepEqual(live.apply('one', { data: { a: '1' } }).data, { a: '1' });
  assert.deepEqual(live.owners(), { 'one/Apply': { 'f:data': { 'f:a': {} } } });
});

test('two fields of another manager conflict, and nothing changes', () => {
  const live = configMap();
  live.apply('one', { data: { a: '1', b: '1' } });
  const before = structuredClone(live.object);
  const error = refusal(() => live.apply('two', { data: { a: '2', b: '2' } }));
  assert.equal(error.code, 409);
  assert.equal(error.message, 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b');
  assert.deepEqual(error.status.details?.causes?.[1], {
    reason: 'FieldManagerConflict',
    message: 'conflict with "one"',
    field: '.data.b',
  });
  assert.deepEqual(live.object, before);
});

test('conflicts are told manager by manager, and field by field as fields are sorted', () => {
  const live = configMap();
  live.apply('b', { data: { z: '1', a: '1' } });
  live.merge('b', { data: { c: '1' } });
  live.apply('a', { data: { d: '1' }, immutable: false });
  const wanted = { data: { z: '2', d: '2', c: '2', a: '2' }, immutable: true };
  assert.equal(
    refusal(() => live.apply('two', wanted)).message,
    [
      'Apply failed with 5 conflicts: conflicts with "a":\n- .immutable\n- .data.d',
      'conflicts with "b":\n- .data.a\n- .data.z',
      'conflicts with "b" using v1:\n- .data.c',
    ].join('\n'),
  );
});

test('a manager of a subresource comes before the same one of the object', () => {
  const live = configMap();
  live.apply('a', { data: { x: '1', y: '1' } });
  const [entry] = (live.object!.metadata as { managedFields: JsonObject[] }).managedFields as [JsonObject];
  (live.object!.metadata as JsonObject).managedFields = [
    { ...entry, fieldsV1: { 'f:data': { 'f:x': {} } } },
    { ...entry, subresource: 'status', fieldsV1: { 'f:data': { 'f:y': {} } } },
  ];
  assert.equal(
    refusal(() => live.apply('b', { data: { x: '2', y: '2' } })).message,
    'Apply failed with 2 conflicts: conflicts with "a" with subresource "status":\n- .data.y\nconflicts with "a":\n- .data.x',
  );
});

test('force takes the fields over', () => {
  const live = configMap();
  live.apply('one', { data: { a: '1', b: '1' } });
  live.apply('two', { data: { a: '2' } }, true);
  assert.deepEqual(live.object!.data, { a: '2', b: '1' });
  assert.deepEqual(live.owners(), {
    'one/Apply': { 'f:data': { 'f:b': {} } },
    'two/Apply': { 'f:data': { 'f:a': {} } },
  });
});

test('the same value is shared, and stays while another manager has it', () => {
  const live = configMap();
  live.apply('one', { data: { a: '1' } });
  live.apply('two', { data: { a: '1' } });
  // An apply that changes nothing but owners has no time, and what has none is sorted first.
  assert.deepEqual(Object.keys(live.owners()), ['two/Apply', 'one/Apply']);
  assert.deepEqual(live.apply('one', {}).data, { a: '1' });
  assert.deepEqual(live.owners(), {
    'two/Apply': { 'f:data': { 'f:a': {} } },
  });
});

test('an empty map has an owner, also where it is not stored', () => {
  const live = configMap();
  live.apply('one', { metadata: { labels: {} }, data: {} });
  assert.deepEqual(live.owners(), { 'one/Apply': { 'f:data': {}, 'f:metadata': { 'f:labels': {} } } });
});

test('an update takes a field from the manager that applied it', () => {
  const live = configMap();
  live.apply('one', { data: { a: '1' } });
  live.merge('upd', { data: { a: '9' } });
  assert.deepEqual(live.owners(), { 'upd/Update': { 'f:data': { 'f:a': {} } } });
  assert.equal(
    refusal(() => live.apply('one', { data: { a: '1' } })).message,
    'Apply failed with 1 conflict: conflict with "upd" using v1: .data.a',
  );
});

test('items of a list map have owners of their own', () => {
  const live = deployment();
  live.apply('one', web([{ name: 'c', image: 'i' }]));
  live.apply('two', justContainers([{ name: 'd', image: 'j' }]));
  const item = { '.': {}, 'f:image': {}, 'f:name': {} };
  assert.deepEqual(live.owners(), {
    'one/Apply': {
      'f:spec': {
        'f:replicas': {},
        'f:selector': {},
        'f:template': {
          'f:metadata': { 'f:labels': { 'f:a': {} } },
          'f:spec': { 'f:containers': { 'k:{"name":"c"}': item } },
        },
      },
    },
    'two/Apply': { 'f:spec': { 'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"d"}': item } } } } },
  });
  const spec = live.object!.spec as { template: { spec: { containers: { name: string }[] } } };
  assert.deepEqual(
    spec.template.spec.containers.map((container) => container.name),
    ['c', 'd'],
  );
});

test('a conflict in a list names the item by its key', () => {
  const live = deployment();
  live.apply('one', web([{ name: 'c', image: 'i' }]));
  assert.equal(
    refusal(() => live.apply('two', justContainers([{ name: 'c', image: 'other' }]))).message,
    'Apply failed with 1 conflict: conflict with "one": .spec.template.spec.containers[name="c"].image',
  );
});

test('a conflict with an updater names its version', () => {
  const live = deployment();
  live.create('kubectl', web([{ name: 'c', image: 'i' }]));
  live.merge('kubectl', { spec: { replicas: 3 } });
  assert.equal(
    refusal(() => live.apply('other', { spec: { replicas: 5 } })).message,
    'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
  );
});

test('an item that is no longer applied is removed from its list', () => {
  const live = deployment();
  live.apply(
    'one',
    web([
      { name: 'c', image: 'i' },
      { name: 'd', image: 'j' },
    ]),
  );
  live.apply('one', web([{ name: 'd', image: 'j' }]));
  const spec = live.object!.spec as { template: { spec: { containers: JsonObject[] } } };
  assert.deepEqual(
    spec.template.spec.containers.map((container) => container.name),
    ['d'],
  );
});

test('the key of a port has its default protocol', () => {
  const live = deployment();
  live.apply('one', web([{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }]));
  assert.ok(JSON.stringify(live.owners()).includes('k:{\\"containerPort\\":80,\\"protocol\\":\\"TCP\\"}'));
});

test('a set is united, and each value has its owner', () => {
  const live = configMap();
  live.apply('one', { metadata: { finalizers: ['example.com/a'] }, data: { a: '1' } });
  live.apply('two', { metadata: { finalizers: ['example.com/b'] } });
  assert.deepEqual((live.object!.metadata as JsonObject).finalizers, ['example.com/a', 'example.com/b']);
  assert.deepEqual(live.owners()['two/Apply'], {
    'f:metadata': { 'f:finalizers': { 'v:"example.com/b"': {} } },
  });
});

test('an update that sets what is set changes no owner of it', () => {
  const live = deployment();
  live.apply('one', web([{ name: 'c', image: 'i' }]));
  live.merge('scaler', { spec: { replicas: 0, minReadySeconds: 2 } });
  assert.deepEqual(live.owners()['scaler/Update'], { 'f:spec': { 'f:minReadySeconds': {} } });
});

test('one empty entry clears all ownership, and later changes are not tracked', () => {
  const live = configMap();
  live.apply('one', { data: { a: '1' } });
  live.merge('two', { metadata: { managedFields: [{}] } });
  assert.deepEqual(live.owners(), {});
  live.merge('two', { data: { a: '2' } });
  assert.deepEqual(live.owners(), {});
});

test('the first apply to an untracked object finds its fields owned by before-first-apply', () => {
  const live = configMap();
  live.create('one', { data: { a: '1' } });
  live.merge('one', { metadata: { managedFields: [] } });
  assert.equal(
    refusal(() => live.apply('two', { data: { a: '2' } })).message,
    'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a',
  );
});

test('kubectl takes over what its last-applied annotation says', () => {
  const live = configMap();
  const lastApplied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { a: '1' } };
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(lastApplied) };
  live.create('kubectl-client-side-apply', { metadata: { annotations }, data: { a: '1' } });
  live.apply('kubectl', { data: { a: '2' } });
  assert.deepEqual(live.object!.data, { a: '2' });
  const kept = (live.object!.metadata as { annotations: Record<string, string> }).annotations;
  assert.deepEqual(JSON.parse(Object.values(kept)[0]!), { ...lastApplied, data: { a: '2' } });
});

test('a manager does not come to own what its endpoint does not write', () => {
  const live = deployment();
  live.apply('one', { ...web([{ name: 'c', image: 'i' }]), status: { replicas: 3 } });
  assert.equal('f:status' in (live.owners()['one/Apply'] as object), false);
});

test('more than ten updaters are put together as ancient changes', () => {
  const live = configMap();
  live.create('m0', { data: { k0: '0' } });
  for (let index = 1; index < 13; index++) live.merge(`m${index}`, { data: { [`k${index}`]: 'x' } });
  const owners = live.owners();
  assert.equal(Object.keys(owners).length, 10);
  assert.deepEqual(Object.keys((owners['ancient-changes/Update'] as JsonObject)['f:data'] as object), [
    '.',
    'f:k0',
    'f:k1',
    'f:k2',
    'f:k3',
  ]);
});

const bad: [string, JsonObject, RegExp, number?][] = [
  ['without a version', { metadata: { name: 'x' } }, /^invalid object type: \/, Kind=$/],
  [
    'with managed fields',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { managedFields: [{ manager: 'z' }] } },
    /^metadata\.managedFields must be nil$/,
  ],
  ['of another kind', { apiVersion: 'v1', kind: 'Secret' }, /^invalid object type: \/v1, Kind=Secret$/],
  [
    'with a field that does not exist',
    { apiVersion: 'v1', kind: 'ConfigMap', foo: 1 },
    /^failed to create typed patch object \(\/; \/v1, Kind=ConfigMap\): \.foo: field not declared in schema$/,
    500,
  ],
  [
    'with several mistakes, all of them named but for further unknown fields,',
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      data: { a: 5, b: 'x' },
      binaryData: 'y',
      immutable: {},
      foo: 1,
      bar: 1,
    },
    /: errors:\n {2}\.data\.a: expected string, got &value\.valueUnstructured\{Value:5\}\n {2}\.binaryData: expected map, got &\{y\}\n {2}\.immutable: expected boolean, got &\{map\[\]\}\n {2}\.foo: field not declared in schema$/,
    500,
  ],
];
for (const [what, config, message, code = 400] of bad) {
  test(`a config ${what} is refused`, () => {
    const error = refusal(() =>
      applyConfig(undefined, config, {
        schema: 'io.k8s.api.core.v1.ConfigMap',
        apiVersion: 'v1',
        kind: 'ConfigMap',
        subresource: '',
        manager: 'm',
        time: '2026-01-01T00:00:00Z',
        force: false,
      }),
    );
    assert.equal(error.code, code);
    assert.match(error.message, message);
  });
}

test('objects without a schema are owned key by key, and their lists as a whole', () => {
  const request = {
    schema: undefined,
    apiVersion: 'e.com/v1',
    kind: 'W',
    subresource: '',
    time: '2026-01-01T00:00:00Z',
    force: false,
  };
  const one = applyConfig(
    undefined,
    { apiVersion: 'e.com/v1', kind: 'W', metadata: { name: 'x' }, spec: { list: [1], a: { b: 1 } } },
    { ...request, manager: 'one' },
  );
  const two = applyConfig(
    one,
    { apiVersion: 'e.com/v1', kind: 'W', metadata: { name: 'x' }, spec: { a: { c: 1 } } },
    { ...request, manager: 'two' },
  );
  assert.deepEqual(two.spec, { list: [1], a: { b: 1, c: 1 } });
});

/** In v1 the field is `a`, in v2 it is `b`; `other` is the same in both. */
function renamed(object: JsonObject, apiVersion: string) {
  const { a, b, ...rest } = (object.spec ?? {}) as JsonObject;
  const value = a ?? b;
  const spec = { ...rest, ...(value !== undefined && { [apiVersion === 'e.com/v1' ? 'a' : 'b']: value }) };
  return apiVersion === 'e.com/v3'
    ? undefined
    : { object: { ...object, apiVersion, spec }, schema: undefined };
}
const versioned = (version: string, manager: string, force = false) => ({
  schema: undefined,
  apiVersion: `e.com/${version}`,
  kind: 'W',
  subresource: '',
  manager,
  time: '2026-01-01T00:00:00Z',
  force,
  convert: renamed,
});
const inVersion = (version: string, spec: JsonObject) => ({
  apiVersion: `e.com/${version}`,
  kind: 'W',
  metadata: { name: 'x' },
  spec,
});
const shown = (object: JsonObject, version: string) => renamed(object, `e.com/${version}`)!.object;

test('a field that a manager owns in another version conflicts', () => {
  const live = applyConfig(undefined, inVersion('v1', { a: 1 }), versioned('v1', 'one'));
  assert.equal(
    refusal(() => applyConfig(shown(live, 'v2'), inVersion('v2', { b: 2 }), versioned('v2', 'two'))).message,
    'Apply failed with 1 conflict: conflict with "one": .spec.a',
  );
});

test('a field that the last config had in another version is dropped', () => {
  const live = applyConfig(undefined, inVersion('v1', { a: 1, other: 1 }), versioned('v1', 'one'));
  const after = applyConfig(shown(live, 'v2'), inVersion('v2', { other: 1 }), versioned('v2', 'one'));
  assert.deepEqual(after.spec, { other: 1 });
});

test('a field that another manager owns in another version stays', () => {
  const one = applyConfig(undefined, inVersion('v1', { a: 1, other: 1 }), versioned('v1', 'one'));
  const two = applyConfig(shown(one, 'v2'), inVersion('v2', { b: 1 }), versioned('v2', 'two'));
  const after = applyConfig(shown(two, 'v1'), inVersion('v1', { other: 1 }), versioned('v1', 'one'));
  assert.deepEqual(after.spec, { a: 1, other: 1 });
});

test('a manager of a version that no longer exists owns nothing', () => {
  const live = applyConfig(undefined, inVersion('v1', { a: 1 }), versioned('v1', 'one'));
  const [entry] = (live.metadata as JsonObject).managedFields as JsonObject[];
  (live.metadata as JsonObject).managedFields = [{ ...entry, apiVersion: 'e.com/v3' }];
  const after = applyConfig(live, inVersion('v1', { a: 2 }), versioned('v1', 'two'));
  const entries = (after.metadata as JsonObject).managedFields as JsonObject[];
  assert.deepEqual(
    entries.map(({ manager }) => manager),
    ['two'],
  );
});

test('when a list becomes atomic, owners of an item own the whole list', () => {
  const list = (listType: 'map' | 'atomic'): SchemaNode => {
    const text: SchemaNode = { type: 'string', goType: 'string' };
    const field = (name: string, node: SchemaNode) =>
      new SchemaField({
        name,
        presence: 'pointer',
        required: false,
        default: undefined,
        keyDefault: undefined,
        patchMerge: false,
        patchReplace: false,
        patchMergeKey: undefined,
        resolve: () => node,
      });
    const item: SchemaNode = { type: 'object', goType: '', fields: new Map([['name', field('name', text)]]) };
    const items: SchemaNode = { type: 'list', goType: '', element: item, listType, listMapKeys: ['name'] };
    return {
      type: 'object',
      goType: '',
      preserveUnknown: true,
      fields: new Map([['items', field('items', items)]]),
    };
  };
  const config = (name: string) => ({
    apiVersion: 'e.com/v1',
    kind: 'W',
    metadata: { name: 'x' },
    items: [{ name }],
  });
  const live = applyConfig(undefined, config('a'), { ...versioned('v1', 'one'), schema: list('map') });
  assert.equal(
    refusal(() => applyConfig(live, config('b'), { ...versioned('v1', 'two'), schema: list('atomic') }))
      .message,
    'Apply failed with 1 conflict: conflict with "one": .items',
  );
});
