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
  const node = structuralNode(
    schema ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    false,
  );
  return { ...node, type: 'object', fields: new Map([...(node.fields ?? []), ...commonFields()]) };
}

/** What every object has, also one within another. */
function* commonFields(): Generator<[string, SchemaField]> {
  for (const name of ['apiVersion', 'kind']) yield [name, field(name, () => scalar('string'))];
  yield ['metadata', field('metadata', () => schemaNode(objectMeta))];
}

/**
 * The tree of a part of one.
 * @param isKept unknown fields are kept further up: to server-side apply, that goes for all below, too
 */
function structuralNode(schema: StructuralSchema, isKept: boolean): SchemaNode {
  const { type } = schema;
  const keeps = isKept || preservesUnknown(schema);
  if (isIntOrString(schema)) return scalar('intOrString');
  if (type === 'array') return listNode(schema, keeps);
  if (type === 'object' || schema.properties || schema.additionalProperties) return objectNode(schema, keeps);
  if (type === 'string' || type === 'boolean' || type === 'number') return scalar(type);
  if (type === 'integer') return { ...scalar('integer'), bits: 64 };
  return scalar('deduced');
}

function listNode(schema: StructuralSchema, keeps: boolean): SchemaNode {
  const items = itemSchema(schema);
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'];
  return {
    type: 'list',
    goType: '[]interface {}',
    element: items ? structuralNode(items, keeps) : scalar('any'),
    ...((listType === 'set' || listType === 'map' || listType === 'atomic') && { listType }),
    ...(keys && { listMapKeys: keys }),
  };
}

function objectNode(schema: StructuralSchema, keeps: boolean): SchemaNode {
  const values = valueSchema(schema);
  const atomic = schema['x-kubernetes-map-type'] === 'atomic' && { atomic: true };
  if (!schema.properties && values) {
    return {
      type: 'map',
      goType: 'map[string]interface {}',
      element: structuralNode(values, keeps),
      ...atomic,
    };
  }
  const fields = new Map<string, SchemaField>();
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const isRequired = schema.required?.includes(name) ?? false;
    fields.set(
      name,
      field(name, () => structuralNode(property, keeps), isRequired, property.default),
    );
  }
  const isFree = keeps || fields.size === 0;
  if (isEmbeddedResource(schema)) for (const [name, common] of commonFields()) fields.set(name, common);
  return {
    type: 'object',
    goType: 'map[string]interface {}',
    fields,
    ...(isFree && { preserveUnknown: true }),
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
