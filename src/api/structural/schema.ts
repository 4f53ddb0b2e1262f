/** The structural schema of a custom resource: OpenAPI v3 as a CustomResourceDefinition states it, and questions about it. */
import type { JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';

/** One node; `items` and `additionalProperties` are single schemas here (structural schemas allow no arrays of them). */
export type StructuralSchema = JSONSchemaProps;

/** The schema for a key of an object; undefined when the key is unknown. */
export function propertySchema(schema: StructuralSchema, key: string): StructuralSchema | undefined {
  const { properties } = schema;
  if (properties && Object.hasOwn(properties, key)) return properties[key];
  return valueSchema(schema);
}

/** The schema for the keys of an object that have none of their own. */
export function valueSchema({ additionalProperties }: StructuralSchema): StructuralSchema | undefined {
  const values = additionalProperties as StructuralSchema | boolean | null | undefined;
  return typeof values === 'object' && values !== null ? values : undefined;
}

export function itemSchema(schema: StructuralSchema): StructuralSchema | undefined {
  return (schema.items as StructuralSchema | undefined) ?? undefined;
}

/** The schemas for all that a value of this one may hold. */
export function schemasBelow(schema: StructuralSchema): StructuralSchema[] {
  const below = [...Object.values(schema.properties ?? {}), valueSchema(schema), itemSchema(schema)];
  return below.filter((each) => each !== undefined);
}

export function preservesUnknown(schema: StructuralSchema): boolean {
  return (
    schema['x-kubernetes-preserve-unknown-fields'] === true ||
    schema.additionalProperties === (true as unknown)
  );
}

export function isEmbeddedResource(schema: StructuralSchema): boolean {
  return schema['x-kubernetes-embedded-resource'] === true;
}

export function isIntOrString(schema: StructuralSchema): boolean {
  return schema['x-kubernetes-int-or-string'] === true;
}

/** `spec` and then `replicas` → `spec.replicas`; an index is `items[2]`, a key that is no identifier `map[a.b]`. */
export function childPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path ? `${path}.${key}` : key;
}
