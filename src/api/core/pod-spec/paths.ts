/** Checks of paths and file modes within volumes and mounts. */
import { invalidValue } from '../../validation/field-error.ts';
import { type Errors, noErrors } from '../../validation/fields.ts';

export function noBacksteps(path: string, field: string): Errors {
  return path.split('/').includes('..') ? [invalidValue(field, path, "must not contain '..'")] : noErrors;
}

/** Relative, and staying inside. */
export function localDescendingPath(path: string, field: string): Errors {
  if (path.startsWith('/'))
    return [invalidValue(field, path, 'must be a relative path'), ...noBacksteps(path, field)];
  return noBacksteps(path, field);
}

/** Also free of the names that the kubelet keeps for itself. */
export function localNonReservedPath(path: string, field: string): Errors {
  const errors = localDescendingPath(path, field);
  return path.startsWith('..') && !path.startsWith('../')
    ? [...errors, invalidValue(field, path, "must not start with '..'")]
    : errors;
}

export function fileMode(mode: number | undefined, field: string): Errors {
  return mode !== undefined && (mode < 0 || mode > 0o777)
    ? [invalidValue(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')]
    : noErrors;
}
