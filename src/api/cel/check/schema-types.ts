/** The types of what schemas describe. */
import {
  isEmbeddedResource,
  isIntOrString,
  itemSchema,
  type StructuralSchema,
} from '../../structural/schema.ts';
import { escapeName } from '../values.ts';
import { bool, type CelType, dyn, int, listOf, mapOf, string } from './types.ts';

/** The fields of metadata that a rule sees, besides those in the schema. */
const metadataFields = new Map<string, CelType>([
  ['name', string],
  ['generateName', string],
]);

const textFormats: Readonly<Record<string, CelType>> = {
  'date-time': { kind: 'timestamp' },
  date: { kind: 'timestamp' },
  duration: { kind: 'duration' },
  byte: { kind: 'bytes' },
};

/** `name`: of the type, as errors show it. Undefined for what a rule cannot see. */
export function typeOfSchema(schema: StructuralSchema, name: string): CelType | undefined {
  if (isIntOrString(schema)) return dyn;
  switch (schema.type) {
    case 'boolean':
      return bool;
    case 'integer':
      return int;
    case 'number':
      return { kind: 'double' };
    case 'string':
      return textFormats[schema.format ?? ''] ?? string;
    case 'array': {
      const items = itemSchema(schema);
      const of = items && typeOfSchema(items, `${name}.@idx`);
      return of && listOf(of);
    }
    case 'object':
      return isEmbeddedResource(schema) ? typeOfResource(schema, name) : typeOfObject(schema, name);
    default:
      return undefined;
  }
}

/** Of the root of a resource. */
export function typeOfRoot(schema: StructuralSchema, name: string): CelType | undefined {
  const isObject = schema.type === 'object' && !isIntOrString(schema);
  return isObject ? typeOfResource(schema, name) : typeOfSchema(schema, name);
}

/** `own`: fields that the object has whatever its schema says of them. */
function typeOfObject(
  schema: StructuralSchema,
  name: string,
  own: ReadonlyMap<string, CelType> = new Map(),
): CelType | undefined {
  const additional = schema.additionalProperties as StructuralSchema | boolean | undefined;
  if (typeof additional === 'object') {
    const of = typeOfSchema(additional, `${name}.@elem`);
    return of && mapOf(string, of);
  }
  const fields = new Map(own);
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (key === 'metadata' && own.has(key)) continue;
    const type = typeOfSchema(property, `${name}.${key}`);
    if (!type) continue;
    fields.set(escapeName(key), type);
    // CEL's reserved words may follow a dot unescaped.
    if (/^[A-Za-z_]\w*$/.test(key) && !key.includes('__')) fields.set(key, type);
  }
  return { kind: 'object', name, field: (field) => fields.get(field) };
}

function typeOfResource(schema: StructuralSchema, name: string): CelType | undefined {
  const metadata: CelType = {
    kind: 'object',
    name: `${name}.metadata`,
    field: (field) => metadataFields.get(field),
  };
  const own = new Map<string, CelType>([
    ['apiVersion', string],
    ['kind', string],
    ['metadata', metadata],
  ]);
  return typeOfObject(schema, name, own);
}
