/** A structural schema as a tree of schema nodes, which gives types to server-side apply and managed fields. */
import { SchemaField, type SchemaNode, schemaNode } from '../schema/schemas.ts';
import {
  isEmbeddedResource,
  isIntOrString,
  itemSchema,
  preservesUnknown,
  type StructuralSchema,
  valueSchema,
} from './schema.ts';

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** The tree of a whole custom resource; undefined schema: nothing is known but what every object has. */
export function resourceNode(schema: StructuralSchema | undefined): SchemaNode {
  const node = structuralNode(schema ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true });
  const fields = new Map(node.fields ?? []);
  for (const name of ['apiVersion', 'kind'])
    fields.set(
      name,
      field(name, () => scalar('string')),
    );
  fields.set(
    'metadata',
    field('metadata', () => schemaNode(objectMeta)),
  );
  return { ...node, type: 'object', fields };
}

/** The tree of a part of one. */
function structuralNode(schema: StructuralSchema): SchemaNode {
  const { type } = schema;
  if (isIntOrString(schema)) return scalar('intOrString');
  if (type === 'array') return listNode(schema);
  if (type === 'object' || schema.properties || schema.additionalProperties) return objectNode(schema);
  if (type === 'string' || type === 'boolean' || type === 'number') return scalar(type);
  if (type === 'integer') return { ...scalar('integer'), bits: 64 };
  return scalar('any');
}

function listNode(schema: StructuralSchema): SchemaNode {
  const items = itemSchema(schema);
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'];
  return {
    type: 'list',
    goType: '[]interface {}',
    element: items ? structuralNode(items) : scalar('any'),
    ...((listType === 'set' || listType === 'map' || listType === 'atomic') && { listType }),
    ...(keys && { listMapKeys: keys }),
  };
}

function objectNode(schema: StructuralSchema): SchemaNode {
  const values = valueSchema(schema);
  const atomic = schema['x-kubernetes-map-type'] === 'atomic' && { atomic: true };
  if (!schema.properties && values) {
    return { type: 'map', goType: 'map[string]interface {}', element: structuralNode(values), ...atomic };
  }
  const fields = new Map<string, SchemaField>();
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const isRequired = schema.required?.includes(name) ?? false;
    fields.set(
      name,
      field(name, () => structuralNode(property), isRequired, property.default),
    );
  }
  const keepsUnknown = preservesUnknown(schema) || isEmbeddedResource(schema);
  return {
    type: 'object',
    goType: 'map[string]interface {}',
    fields,
    ...(keepsUnknown && { preserveUnknown: true }),
    ...atomic,
  };
}

function scalar(type: SchemaNode['type']): SchemaNode {
  return { type, goType: 'interface {}' };
}

function field(name: string, resolve: () => SchemaNode, required = false, fallback?: unknown): SchemaField {
  return new SchemaField({
    name,
    presence: 'pointer',
    required,
    default: fallback,
    keyDefault: fallback,
    patchMerge: false,
    patchReplace: false,
    patchMergeKey: undefined,
    resolve,
  });
}
