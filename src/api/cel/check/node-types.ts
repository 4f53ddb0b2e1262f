/** The types of what definitions describe, as expressions that are checked against them see it. */
import type { SchemaNode } from '../../schema/schemas.ts';
import { escapeName } from '../values.ts';
import { bool, type CelType, dyn, int, listOf, mapOf, string } from './types.ts';

const simpleTypes: Partial<Record<SchemaNode['type'], CelType>> = {
  boolean: bool,
  integer: int,
  number: { kind: 'double' },
  string,
  bytes: { kind: 'bytes' },
  time: { kind: 'timestamp' },
  microTime: { kind: 'timestamp' },
  intOrString: dyn,
};

/** Whatever they hold, their definitions call them objects and name no field. */
const objectsOfAnyFields = new Set(['v1.FieldsV1', 'runtime.RawExtension']);

/**
 * `name`: of the type, as errors show it. Undefined for what has no type of its own in upstream's definitions and is hidden
 * from checks, together with the lists and maps that hold it: quantities, JSON of any kind.
 */
export function typeOfNode(node: SchemaNode, name: string): CelType | undefined {
  switch (node.type) {
    case 'object':
      return objectType(node, name);
    case 'list': {
      const of = typeOfNode(node.element!, `${name}.@idx`);
      return of && listOf(of);
    }
    case 'map': {
      const of = typeOfNode(node.element!, `${name}.@elem`);
      return of && mapOf(string, of);
    }
    case 'any':
      return objectsOfAnyFields.has(node.goType)
        ? { kind: 'object', name, field: () => undefined }
        : undefined;
    default:
      return simpleTypes[node.type];
  }
}

/** Definitions may be recursive: a field's type is determined when it is used. */
function objectType(node: SchemaNode, name: string): CelType {
  let names: Map<string, string> | undefined;
  return {
    kind: 'object',
    name,
    field(asked) {
      names ??= new Map([...node.fields!.keys()].map((key) => [escapeName(key), key]));
      const key = names.get(asked) ?? asked;
      const field = node.fields!.get(key);
      return field && typeOfNode(field.node, `${name}.${key}`);
    },
  };
}
