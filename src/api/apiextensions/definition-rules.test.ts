import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CustomResourceDefinition, JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';
import { customResourceDefinitionKind } from './custom-resource-definition.ts';
import { validateDefinitionUpdate } from './definition-rules.ts';

function fields(schema: object, spec: object = {}): string[] {
  const definition = {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { kind: 'Widget', plural: 'widgets' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema as JSONSchemaProps } },
      ],
      ...spec,
    },
  } as CustomResourceDefinition;
  customResourceDefinitionKind.defaults!(definition);
  customResourceDefinitionKind.prepareCreate!(definition);
  return [...customResourceDefinitionKind.validate(definition, { subresource: '' })].map(
    ({ field }) => field,
  );
}

const root = 'spec.validation.openAPIV3Schema';
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });

const ruleOf = (rule: string) => ({ 'x-kubernetes-validations': [{ rule }] });

const rows: [what: string, schema: object, fields: string[]][] = [
  ['a plain schema', object({ a: { type: 'string' } }), []],
  [
    'an object without additional properties',
    object({ a: { type: 'object', additionalProperties: false } }),
    [],
  ],
  [
    'a list map of texts, without keys',
    object({ a: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'map' } }),
    [`${root}.properties[a].x-kubernetes-list-map-keys`, `${root}.properties[a].items.type`],
  ],
  [
    'an integer or string',
    object({ a: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] } }),
    [],
  ],
  [
    'a rule and a message with constants that cannot be',
    object({
      a: {
        type: 'string',
        maxLength: 1,
        'x-kubernetes-validations': [
          { rule: 'self.find("[") == ""', messageExpression: 'int("x") == 1 ? "a" : "b"' },
        ],
      },
    }),
    ['rule', 'messageExpression'].map((name) => `${root}.properties[a].x-kubernetes-validations[0].${name}`),
  ],
  ['a pattern in Go’s syntax', object({ a: { type: 'string', pattern: '^(?i)a\\-b\\_[[:alpha:]]$' } }), []],
  [
    'a rule about a field that is not there',
    object({ a: object({ x: { type: 'integer' } }, ruleOf('self.z == 100')) }),
    [`${root}.properties[a].x-kubernetes-validations[0].rule`],
  ],
  [
    'a rule that compares a number with a text',
    object({ a: object({ x: { type: 'integer' } }, ruleOf('self.x == "100"')) }),
    [`${root}.properties[a].x-kubernetes-validations[0].rule`],
  ],
  [
    'a rule about the name of the resource',
    object({ a: { type: 'string' } }, ruleOf('self.metadata.name == self.a && self.kind != "x"')),
    [],
  ],
  [
    'a pattern that is none',
    object({ a: { type: 'string', pattern: '(' } }),
    [`${root}.properties[a].pattern`],
  ],
  [
    'alternatives that only require',
    object({ a: { type: 'string' } }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] }),
    [],
  ],
  ['a property without type', object({ a: {} }), [`${root}.properties[a].type`]],
  ['items without type', object({ a: { type: 'array', items: {} } }), [`${root}.properties[a].items.type`]],
  ['a list of nothing in particular', object({ a: { type: 'array' } }), [`${root}.properties[a].items`]],
  ['a type that is none', object({ a: { type: 'text' } }), [`${root}.properties[a].type`]],
  ['a reference', object({ a: { type: 'object', $ref: '#/x' } }), [`${root}.properties[a].$ref`]],
  [
    'properties and additional ones',
    object({
      a: { type: 'object', properties: { b: { type: 'string' } }, additionalProperties: { type: 'string' } },
    }),
    [`${root}.properties[a].additionalProperties`],
  ],
  [
    'a default that does not fit',
    object({ a: { type: 'string', enum: ['x'], default: 'y' } }),
    [`${root}.properties[a].default`],
  ],
  [
    'a field that only a junctor knows',
    object({}, { anyOf: [{ properties: { a: { minimum: 1 } } }] }),
    [`${root}.properties[a]`],
  ],
  [
    'a set of objects',
    object({ a: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object' } } }),
    [`${root}.properties[a].items.x-kubernetes-map-type`],
  ],
  [
    'map keys that may be absent',
    object({
      a: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: object({ k: { type: 'string' } }),
      },
    }),
    [`${root}.properties[a].items.properties[k].default`],
  ],
  [
    'a rule that does not compile',
    object({ a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self.(' }] } }),
    [`${root}.properties[a].x-kubernetes-validations[0].rule`],
  ],
  [
    'more than a name in the metadata',
    object({ metadata: { type: 'object', properties: { labels: { type: 'object' } } } }),
    [`${root}.properties[metadata]`],
  ],
];
for (const [what, schema, expected] of rows)
  test(`a definition with ${what} is ${expected.length === 0 ? 'accepted' : 'refused'}`, () => {
    assert.deepEqual(fields(schema), expected);
  });

test('names, versions and subresources are checked', () => {
  const plain = object({});
  assert.deepEqual(fields(plain, { scope: 'Global' }), ['spec.scope']);
  assert.deepEqual(fields(plain, { names: { kind: 'Widget', plural: 'widgets', listKind: 'Widget' } }), [
    'spec.names.listKind',
  ]);
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: plain } };
  assert.deepEqual(fields(plain, { versions: [version, { ...version, storage: false }] }), ['spec.versions']);
  assert.deepEqual(
    fields(plain, {
      versions: [
        { ...version, subresources: { scale: { specReplicasPath: '.x', statusReplicasPath: '.status.n' } } },
      ],
    }),
    ['spec.subresources.scale.specReplicasPath'],
  );
});

test('a field that is selected by is one of the schema', () => {
  const select = (jsonPath: string) =>
    fields(object({}), {
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: object({ spec: object({ color: { type: 'string' } }) }) },
          selectableFields: [{ jsonPath }],
        },
      ],
    });
  assert.deepEqual(select('.spec.color'), []);
  assert.deepEqual(select('.spec.size'), ['spec.selectableFields[0].jsonPath']);
});

test('beside a status of its own, the root says only what its properties cannot', () => {
  const version = (schema: object) => ({
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        subresources: { status: {} },
      },
    ],
  });
  for (const [schema, expected] of [
    [object({}, { description: 'd', 'x-kubernetes-preserve-unknown-fields': true }), []],
    [object({ a: { type: 'string' } }, { oneOf: [{ required: ['a'] }] }), [root]],
    [{ type: 'string' }, [`${root}.type`]],
  ] as const)
    assert.deepEqual(fields({}, version(schema)).slice(0, 1), expected);
});

test('an update is refused for what it changes, and not for what was so before', () => {
  const kind = customResourceDefinitionKind;
  const schema = { openAPIV3Schema: { type: 'object' } };
  const definition = (spec: object, annotations: Record<string, string> = {}) =>
    ({
      metadata: { name: 'widgets.x.k8s.io', annotations },
      spec: {
        group: 'x.k8s.io',
        scope: 'Namespaced',
        names: { kind: 'Widget', plural: 'widgets', singular: 'widget', listKind: 'WidgetList' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
        ...spec,
      },
      status: {
        storedVersions: ['v0', 'v1'],
        conditions: [{ type: 'Established', status: 'True' }],
      },
    }) as unknown as CustomResourceDefinition;
  const old = definition({ preserveUnknownFields: true });
  const changed = (next: CustomResourceDefinition, before = old) => {
    const context = { subresource: '', apiVersion: 'apiextensions.k8s.io/v1', isUpdate: true };
    return [...kind.validate(next, context), ...kind.validateUpdate!(next, before, context)].map(
      ({ field }) => field,
    );
  };
  const stored = 'status.storedVersions[0]';
  assert.deepEqual(changed(old), [stored]);
  assert.deepEqual(changed(definition({ group: 'y.k8s.io', scope: 'Cluster' })), [
    'spec.scope',
    'spec.group',
    stored,
  ]);
  const annotation = 'api-approved.kubernetes.io';
  assert.deepEqual(changed(definition({}, { [annotation]: 'x' })), [
    stored,
    `metadata.annotations[${annotation}]`,
  ]);
  assert.deepEqual(changed(old, definition({ preserveUnknownFields: false })), [
    stored,
    'spec.preserveUnknownFields',
  ]);
});

test('the certificates of a conversion webhook may be filled in later, but not be spoilt', () => {
  const encoded = (text: string) => Buffer.from(text).toString('base64');
  const established = { type: 'Established', status: 'True' };
  const definition = (caBundle: string, conditions: object[] = [established]) =>
    ({
      metadata: { name: 'widgets.example.com' },
      spec: {
        group: 'example.com',
        names: { plural: 'widgets' },
        versions: [{ name: 'v1', storage: true }],
        conversion: { strategy: 'Webhook', webhook: { clientConfig: { caBundle } } },
      },
      status: { storedVersions: ['v1'], conditions },
    }) as unknown as CustomResourceDefinition;
  const problems = (next: string, old: CustomResourceDefinition) =>
    [...validateDefinitionUpdate(definition(next), old, { isBeta: false })].map(({ detail }) => detail);
  const placeholder = encoded('\n');
  assert.deepEqual(problems(placeholder, definition('')), [
    'Invalid value: "Cg==": unable to load root certificates: unable to parse bytes as PEM block',
  ]);
  const block = (type: string) => encoded(`-----BEGIN ${type}-----\nAAAA\n-----END ${type}-----\n`);
  assert.match(problems(block('KEY'), definition(''))[0]!, /: no valid certificate authority data seen$/);
  assert.match(problems(block('CERTIFICATE'), definition(''))[0]!, /: failed to parse certificate: /);
  assert.deepEqual(problems(placeholder, definition('', [])), []);
  assert.deepEqual(problems(block('KEY'), definition(placeholder)), []);
  assert.deepEqual(problems('', definition('')), []);
});

test('a status without stored versions gets the one that is', () => {
  const definition = {
    metadata: { name: 'a' },
    spec: { versions: [{ name: 'v1' }, { name: 'v2', storage: true }] },
    status: { storedVersions: [] as string[] },
  } as unknown as CustomResourceDefinition;
  customResourceDefinitionKind.prepareStatusUpdate!(definition, definition, '');
  assert.deepEqual(definition.status!.storedVersions, ['v2']);
});
