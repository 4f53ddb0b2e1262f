/** Sets of fields that were written while a custom resource had another schema, brought in line with today's. */

import type { SchemaNode } from '../schemas.ts';
import type { Ownerships } from './field-owners.ts';
import { type FieldSet, isEmptySet, type MutableFieldSet, member } from './field-set.ts';
import { isAtomic } from './typed-value.ts';

/** What has become atomic has a single set of owners: those who owned a part of it. Changes `owners`. */
export function alignWithSchema(owners: Ownerships, node: SchemaNode | undefined): void {
  // The schemas of built-in kinds do not change.
  if (!node || node.structName !== undefined) return;
  for (const [key, owner] of owners) {
    const fields = alignSet(owner.fields, node);
    if (fields !== owner.fields) owners.set(key, { ...owner, fields });
  }
}

function alignSet(set: FieldSet, node: SchemaNode): FieldSet {
  let aligned: MutableFieldSet | undefined;
  for (const element in set) {
    const below = set[element]!;
    const child = element.startsWith('f:')
      ? (node.fields?.get(element.slice(2))?.node ?? node.element)
      : node.element;
    if (element === '.' || !child || isEmptySet(below)) continue;
    const now = isAtomic(child) ? member : alignSet(below, child);
    if (now === below) continue;
    aligned ??= { ...set };
    aligned[element] = now;
  }
  return aligned ?? set;
}
