/** Validation of the variables of a container's environment, and of what they are taken from. */

import type { EnvFromSource, EnvVar } from '../../types/core-v1.gen.ts';
import { type FieldErrors, invalidValue, required } from '../../validation/field-error.ts';
import { invalidFor } from '../../validation/fields.ts';
import { environmentNameProblems, subdomainProblems } from '../../validation/names.ts';
import { validateFileKeyRef } from './file-variables.ts';
import {
  environmentFieldPaths,
  validateFieldRef,
  validateKeyRef,
  validateResourceFieldRef,
} from './references.ts';

export function* validateEnvironment(env: EnvVar[], field: string): FieldErrors {
  for (const [index, variable] of env.entries()) {
    const path = `${field}[${index}]`;
    if (!variable.name) yield required(`${path}.name`);
    else yield* invalidFor(`${path}.name`, variable.name, environmentNameProblems(variable.name));
    if (variable.valueFrom) yield* validateValueFrom(variable, `${path}.valueFrom`);
  }
}

function* validateValueFrom(variable: EnvVar, field: string): FieldErrors {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = variable.valueFrom!;
  let sources = 0;
  if (fieldRef) {
    sources++;
    yield* validateFieldRef(fieldRef, environmentFieldPaths, `${field}.fieldRef`);
  }
  if (resourceFieldRef) {
    sources++;
    yield* validateResourceFieldRef(resourceFieldRef, `${field}.resourceFieldRef`, {
      mustNameContainer: false,
    });
  }
  if (configMapKeyRef) {
    sources++;
    yield* validateKeyRef(configMapKeyRef, `${field}.configMapKeyRef`);
  }
  if (secretKeyRef) {
    sources++;
    yield* validateKeyRef(secretKeyRef, `${field}.secretKeyRef`);
  }
  if (fileKeyRef) {
    sources++;
    yield* validateFileKeyRef(fileKeyRef, `${field}.fileKeyRef`);
  }
  if (sources === 0)
    yield invalidValue(
      field,
      '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    );
  else if (variable.value) yield invalidValue(field, '', 'may not be specified when `value` is not empty');
  else if (sources > 1) yield invalidValue(field, '', 'may not have more than one field specified at a time');
}

export function* validateEnvironmentSources(sources: EnvFromSource[], field: string): FieldErrors {
  for (const [index, source] of sources.entries()) {
    const path = `${field}[${index}]`;
    if (source.prefix)
      yield* invalidFor(`${path}.prefix`, source.prefix, environmentNameProblems(source.prefix));
    for (const type of ['configMapRef', 'secretRef'] as const) {
      const name = source[type]?.name;
      if (name) yield* invalidFor(`${path}.${type}.name`, name, subdomainProblems(name));
      else if (source[type]) yield required(`${path}.${type}.name`);
    }
    // Upstream names the list here, not the item.
    if (!source.configMapRef && !source.secretRef)
      yield invalidValue(field, '', 'must specify one of: `configMapRef` or `secretRef`');
    else if (source.configMapRef && source.secretRef)
      yield invalidValue(field, '', 'may not have more than one field specified at a time');
  }
}
