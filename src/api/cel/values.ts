/** JSON values as CEL sees them: integers are not floats, and times are times. The schema says which is which. */

import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';
import { isJsonObject } from '../../base/json-object.ts';
import { setKey } from '../schema/decode.ts';
import {
  isEmbeddedResource,
  isIntOrString,
  itemSchema,
  propertySchema,
  type StructuralSchema,
} from '../structural/schema.ts';

/** The fields of metadata that rules may read besides those in the schema (upstream's choice). */
const visibleMetadata = ['name', 'generateName'];

/** `value` as a rule at this schema sees it: without fields that the schema does not have. */
export function celValueOf(schema: StructuralSchema, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) {
    const items = itemSchema(schema);
    return value.map((item) => (items ? celValueOf(items, item) : untypedCelValue(item)));
  }
  if (isJsonObject(value))
    return isEmbeddedResource(schema) ? resourceValue(schema, value) : readable(fieldsOf(schema, value));
  if (typeof value === 'bigint') return schema.type === 'number' ? Number(value) : value;
  if (typeof value === 'number') {
    const isFloat = schema.type === 'number' || (!Number.isInteger(value) && !isIntOrString(schema));
    return isFloat ? value : BigInt(value);
  }
  return typeof value === 'string' ? stringValue(schema.format, value) : value;
}

/** `value` as rules at the root of a resource see it: with its type and the visible part of its metadata. */
export function celResourceOf(schema: StructuralSchema, value: unknown): unknown {
  return isJsonObject(value) ? resourceValue(schema, value) : celValueOf(schema, value);
}

/** Of no schema: whole numbers are ints. */
export function untypedCelValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untypedCelValue);
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (!isJsonObject(value)) return value;
  return readable(
    Object.fromEntries(Object.entries(value).map(([key, item]) => [key, untypedCelValue(item)])),
  );
}

/** What an expression gave, as JSON. */
export function jsonOfCel(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(jsonOfCel);
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (value instanceof Duration) return `${Number(value.valueOf()) / 1000}s`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(entries.map(([key, item]) => [String(key), jsonOfCel(item)]));
}

/** The type by which upstream's messages name an expression's value. */
export function goTypeOf(value: unknown): string {
  if (value === null) return 'structpb.NullValue';
  if (Array.isArray(value)) return '[]ref.Val';
  if (value instanceof Date) return 'time.Time';
  if (value instanceof Duration) return 'time.Duration';
  if (value instanceof UnsignedInt) return 'uint64';
  if (value instanceof Uint8Array) return '[]uint8';
  return goTypes[typeof value] ?? 'map[ref.Val]ref.Val';
}

const goTypes: Readonly<Record<string, string>> = {
  string: 'string',
  boolean: 'bool',
  bigint: 'int64',
  number: 'float64',
};

function fieldsOf(schema: StructuralSchema, value: Record<string, unknown>): Record<string, unknown> {
  const seen: Record<string, unknown> = {};
  const isMap = !schema.properties && schema.additionalProperties !== undefined;
  for (const [key, child] of Object.entries(value)) {
    const property = propertySchema(schema, key);
    if (property) setKey(seen, isMap ? key : escapeName(key), celValueOf(property, child));
  }
  return seen;
}

function resourceValue(schema: StructuralSchema, value: Record<string, unknown>): object {
  const seen = fieldsOf(schema, value);
  seen.apiVersion ??= value.apiVersion;
  seen.kind ??= value.kind;
  const metadata = (value.metadata ?? {}) as Record<string, unknown>;
  seen.metadata = Object.fromEntries(
    visibleMetadata.filter((key) => metadata[key] !== undefined).map((key) => [key, metadata[key]]),
  );
  return readable(seen);
}

/** The library takes what is called `constructor` for an object's class, except in a map. */
function readable(fields: Record<string, unknown>): object {
  return Object.hasOwn(fields, 'constructor') ? new Map(Object.entries(fields)) : fields;
}

function stringValue(format: string | undefined, text: string): unknown {
  if (format === 'date-time' || format === 'date') return new Date(text);
  if (format === 'duration') return Duration.fromMilliseconds(durationMs(text));
  if (format === 'byte') return new Uint8Array(Buffer.from(text, 'base64'));
  return text;
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Go's notation: `1h30m`, `-2.5s`. */
function durationMs(text: string): number {
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * unitMs[unit!]!;
  }
  return text.startsWith('-') ? -total : total;
}

/** Words that CEL keeps for itself. */
const reservedWords = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** Upstream's escaping of property names that are no identifiers: `my-field` is read as `self.my__dash__field`. */
export function escapeName(name: string): string {
  if (reservedWords.has(name)) return `__${name}__`;
  return name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
}
