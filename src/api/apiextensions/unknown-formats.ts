/** Formats in a schema that are not validated. */
import type { CustomResourceDefinitionSpec, JSONSchemaProps } from '../types/apiextensions-v1.gen.ts';

const textFormats = new Set(
  (
    'bsonobjectid uri email hostname ipv4 ipv6 cidr mac uuid uuid3 uuid4 uuid5 isbn isbn10 isbn13 creditcard ssn ' +
    'hexcolor rgbcolor byte password date duration datetime k8sshortname k8slongname'
  ).split(' '),
);
const numberFormats: Readonly<Record<string, readonly string[]>> = {
  integer: ['int32', 'int64'],
  number: ['float', 'double'],
};

/** In all versions, as often as each is named; what all versions share counts once. */
export function unknownFormatsIn(spec: CustomResourceDefinitionSpec | undefined): string[] {
  const schemas = (spec?.versions ?? []).flatMap(({ schema }) => schema?.openAPIV3Schema ?? []);
  const isShared = schemas.every((schema) => JSON.stringify(schema) === JSON.stringify(schemas[0]));
  return (isShared ? schemas.slice(0, 1) : schemas).flatMap(unknownIn);
}

function unknownIn(schema: JSONSchemaProps): string[] {
  const { format, type, items, not, properties = {} } = schema;
  const additional = schema.additionalProperties as JSONSchemaProps | boolean | undefined;
  const children = [
    ...(items && !Array.isArray(items) ? [items as JSONSchemaProps] : []),
    ...(schema.allOf ?? []),
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    ...(not ? [not] : []),
    ...Object.values(properties),
    ...(typeof additional === 'object' ? [additional] : []),
  ];
  const own = format && !isKnown(format, type ?? '') ? [format] : [];
  return [...own, ...children.flatMap(unknownIn)];
}

function isKnown(format: string, type: string): boolean {
  if (type === '' || type === 'string') return textFormats.has(format.replaceAll('-', ''));
  return Object.hasOwn(numberFormats, type) && numberFormats[type]!.includes(format);
}
