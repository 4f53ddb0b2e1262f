/** Validation of the files that a volume of keys or of downward fields has. */

import type { DownwardAPIVolumeFile, KeyToPath } from '../../types/core-v1.gen.ts';
import { type FieldErrors, invalidValue, required } from '../../validation/field-error.ts';
import { fileMode, localNonReservedPath } from './paths.ts';
import { validateFieldRef, validateResourceFieldRef, volumeFieldPaths } from './references.ts';

export function* validateItems(items: KeyToPath[] | undefined, field: string): FieldErrors {
  for (const [index, item] of (items ?? []).entries()) {
    const path = `${field}[${index}]`;
    if (!item.key) yield required(`${path}.key`);
    if (!item.path) yield required(`${path}.path`);
    else yield* localNonReservedPath(item.path, `${path}.path`);
    yield* fileMode(item.mode, `${path}.mode`);
  }
}

/** Upstream names the fields of downward files without their index. */
export function* validateDownwardFile(item: DownwardAPIVolumeFile, field: string): FieldErrors {
  if (!item.path) yield required(`${field}.path`);
  else yield* localNonReservedPath(item.path, `${field}.path`);
  if (item.fieldRef) {
    yield* validateFieldRef(item.fieldRef, volumeFieldPaths, `${field}.fieldRef`);
    if (item.resourceFieldRef)
      yield invalidValue(
        field,
        'resource',
        'fieldRef and resourceFieldRef can not be specified simultaneously',
      );
  } else if (item.resourceFieldRef)
    yield* validateResourceFieldRef(item.resourceFieldRef, `${field}.resourceFieldRef`, {
      mustNameContainer: true,
    });
  else yield required(field, 'one of fieldRef and resourceFieldRef is required');
  yield* fileMode(item.mode, `${field}.mode`);
}
