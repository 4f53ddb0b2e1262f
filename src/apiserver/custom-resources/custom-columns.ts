/** The columns of a custom resource: its name, and those that its definition states, or its age. */
import { ageSince, creationDescription, nameDescription } from '../../api/kinds/columns.ts';
import type { Column } from '../../api/kinds/kind.ts';
import { findAll, type JsonPath, JsonPathError, parseJsonPath } from '../../api/structural/json-path.ts';
import type { CustomResourceDefinitionVersion } from '../../api/types/apiextensions-v1.gen.ts';

export function columnsOf({ additionalPrinterColumns }: CustomResourceDefinitionVersion): Column[] {
  const name: Column = {
    name: 'Name',
    type: 'string',
    format: 'name',
    description: nameDescription,
    cell: (object) => object.metadata.name,
  };
  const given = additionalPrinterColumns ?? [
    {
      name: 'Age',
      type: 'date',
      jsonPath: '.metadata.creationTimestamp',
      description: creationDescription,
      format: '',
      priority: 0,
    },
  ];
  return [
    name,
    ...given.map((column): Column => {
      const path = readablePath(column.jsonPath);
      return {
        name: column.name,
        type: column.type as Column['type'],
        ...(column.format && { format: column.format }),
        description:
          column.description || `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
        priority: column.priority ?? 0,
        cell: (object, context) => path && cellOf(column.type, findAll(path, object), context.nowMs),
      };
    }),
  ];
}

/** A definition may have any path that begins with a dot: a column whose path cannot be read stays empty. */
function readablePath(path: string): JsonPath | undefined {
  try {
    return parseJsonPath(path);
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}

/** A cell shows the first value at the path, if it has the column's type. */
function cellOf(type: string, [value]: readonly unknown[], nowMs: number): unknown {
  if (value === undefined || value === null) return null;
  if (type === 'date') return ageSince(typeof value === 'string' ? value : undefined, nowMs);
  if (typeof value === 'bigint')
    return type === 'integer' || type === 'number' ? value : type === 'boolean' ? null : String(value);
  if (type === 'integer') return typeof value === 'number' ? Math.trunc(value) : null;
  if (type === 'number') return typeof value === 'number' ? value : null;
  if (type === 'boolean') return typeof value === 'boolean' ? value : null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
