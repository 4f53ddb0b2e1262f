/** What of an apply configuration would replace lists, maps and objects as a whole. */
import { isJsonObject } from '../../../base/json-object.ts';
import type { SchemaNode } from '../schemas.ts';
import { childNode, isAtomic } from './typed-value.ts';

/** Paths such as `.spec.containers[0].args`, in the order of the value. */
export function* atomicsIn(value: unknown, node: SchemaNode | undefined, path = ''): Generator<string> {
  if (Array.isArray(value)) {
    // Of what has no schema, upstream takes lists as a whole and merges objects.
    if (node?.type === 'any' || (node?.type === 'list' && isAtomic(node))) yield path;
    if (node?.type === 'list')
      for (const [index, item] of value.entries()) yield* atomicsIn(item, node.element, `${path}[${index}]`);
  } else if (isJsonObject(value) && (node?.type === 'object' || node?.type === 'map')) {
    if (isAtomic(node)) yield path;
    if (node.type === 'object')
      for (const [key, field] of Object.entries(value))
        yield* atomicsIn(field, childNode(node, key), `${path}.${key}`);
  }
}
