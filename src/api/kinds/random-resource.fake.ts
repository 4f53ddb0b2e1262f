/** Random resources by their OpenAPI schema: each field is present now and then, for tests of what holds for every object. */

import schemas from '../data/schemas.json' with { type: 'json' };
import type { KubeObject } from '../meta.ts';
import { asKubeObject } from '../schema/decode.ts';

interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  enum?: readonly unknown[];
  properties?: Record<string, Schema>;
  required?: readonly string[];
  items?: Schema;
  additionalProperties?: Schema;
  oneOf?: readonly Schema[];
}

/** Numbers in [0, 1). */
export type NextRandom = () => number;

const depthMax = 9;
const all = schemas as Record<string, Schema>;

/** An object of the definition `schemaName`, with a name, labels and annotations. */
export function randomResource(schemaName: string, next: NextRandom): KubeObject {
  const object = randomValue({ $ref: `#/components/schemas/${schemaName}` }, next, 0) as Record<
    string,
    unknown
  >;
  for (const key of ['apiVersion', 'kind']) delete object[key];
  object.metadata = {
    name: randomText(next),
    ...(next() < 0.5 && { labels: { a: randomText(next) } }),
    ...(next() < 0.5 && { annotations: { b: randomText(next) } }),
  };
  return asKubeObject(object);
}

function randomText(next: NextRandom): string {
  return `x${Math.floor(next() * 1e6).toString(36)}`;
}

/** Definitions that stand for more than their schema says. */
const special: Record<string, (next: NextRandom) => unknown> = {
  Quantity: (next) => String(1 + Math.floor(next() * 100)),
  IntOrString: (next) => (next() < 0.5 ? 1 + Math.floor(next() * 100) : `${1 + Math.floor(next() * 99)}%`),
  Time: () => '2020-01-02T03:04:05Z',
  MicroTime: () => '2020-01-02T03:04:05.000006Z',
  RawExtension: () => ({ a: 1 }),
  JSON: () => ({ a: 1 }),
  JSONSchemaProps: () => ({ type: 'object' }),
  ObjectMeta: (next) => ({ labels: { c: randomText(next) } }),
  FieldsV1: () => ({}),
};

function randomValue(schema: Schema, next: NextRandom, depth: number): unknown {
  if (schema.$ref) {
    const name = schema.$ref.replace('#/components/schemas/', '');
    const own = special[name.split('.').at(-1)!];
    return own ? own(next) : randomValue(all[name]!, next, depth);
  }
  if (schema.enum) return schema.enum[Math.floor(next() * schema.enum.length)];
  if (schema.oneOf) return 1;
  switch (schema.type) {
    case 'string':
      return schema.format === 'byte' ? 'MQ==' : randomText(next);
    case 'integer':
    case 'number':
      return 1 + Math.floor(next() * 100);
    case 'boolean':
      return true;
    case 'array':
      return Array.from({ length: 1 + Math.floor(next() * 2) }, () =>
        randomValue(schema.items ?? {}, next, depth + 1),
      );
    default:
      return randomFields(schema, next, depth);
  }
}

function randomFields(schema: Schema, next: NextRandom, depth: number): Record<string, unknown> {
  if (schema.additionalProperties) return { k: randomValue(schema.additionalProperties, next, depth + 1) };
  const fields: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    if (schema.required?.includes(name) || (depth < depthMax && next() < 0.7))
      fields[name] = randomValue(property, next, depth + 1);
  return fields;
}
