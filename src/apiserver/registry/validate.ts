/** Validation of an object as it will be stored: metadata by one rule for all kinds, the rest by the kind's own. */

import type { KubeObject } from '../../api/meta.ts';
import { invalid } from '../../api/status.ts';
import type { FieldError } from '../../api/validation/field-error.ts';
import {
  type ObjectMetaRules,
  validateFinalizers,
  validateObjectMeta,
  validateObjectMetaUpdate,
} from '../../api/validation/object-meta.ts';
import type { WriteRequest } from './registry.ts';

/** @throws StatusError Invalid with every error that there is. */
export function* validateNewInSteps(request: WriteRequest, object: KubeObject): Generator<void> {
  const { definition, apiVersion } = request.resource;
  const context = { subresource: '', apiVersion };
  const errors = collect(
    validateObjectMeta(object.metadata, metadataRules(request), 'metadata'),
    definition.validateInSteps
      ? yield* definition.validateInSteps(object, undefined, context)
      : definition.validate(object, context),
  );
  refuse(request, object, errors);
}

/** Reviews are never stored, and need no name. @throws StatusError Invalid */
export function validateNewReview(request: WriteRequest, object: KubeObject): void {
  const { definition, apiVersion } = request.resource;
  const errors = collect(definition.validate(object, { subresource: '', apiVersion }));
  // Upstream has forgotten the kind by then.
  if (errors.length > 0) throw invalid({ group: definition.type.group, kind: '' }, '', errors);
}

/** @throws StatusError Invalid with every error that there is. */
export function* validateChangeInSteps(
  request: WriteRequest,
  object: KubeObject,
  old: KubeObject,
): Generator<void> {
  const { definition } = request.resource;
  const context = {
    subresource: request.subresource,
    apiVersion: request.resource.apiVersion,
    isUpdate: true,
  };
  const metaErrors = collect(validateObjectMetaUpdate(object.metadata, old.metadata, 'metadata'));
  const updateErrors = collect(definition.validateUpdate?.(object, old, context) ?? []);
  const errors = collect(
    // Upstream validates metadata for all kinds alike, and then again with the kind.
    metaErrors,
    metaErrors,
    validateFinalizers(object.metadata.finalizers, metadataRules(request), 'metadata.finalizers'),
    definition.updateRulesFirst ? updateErrors : [],
    definition.validateInSteps
      ? yield* definition.validateInSteps(object, old, context)
      : definition.validate(object, context),
    definition.updateRulesFirst ? [] : updateErrors,
  );
  refuse(request, object, errors);
}

/**
 * The number of characters after which further errors are dropped: some quote a whole list for every invalid item, and
 * for a long list these texts would exhaust memory.
 */
const errorCharsMax = 4 * 1024 * 1024;

function collect(...sources: Iterable<FieldError>[]): FieldError[] {
  const errors: FieldError[] = [];
  let chars = 0;
  for (const source of sources)
    for (const error of source) {
      errors.push(error);
      chars += error.text.length;
      if (chars > errorCharsMax) return errors;
    }
  return errors;
}

function metadataRules({ resource }: WriteRequest): ObjectMetaRules {
  const { definition, namespaced, isCustom } = resource;
  return {
    namespaced,
    validateName: definition.validateName,
    anyFinalizers: isCustom || definition.deletionFinalizers !== undefined,
  };
}

function refuse(request: WriteRequest, object: KubeObject, errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  const { type, errorGroup } = request.resource.definition;
  throw invalid(
    { group: errorGroup ?? type.group, kind: type.kind },
    object.metadata.name || object.metadata.generateName || '',
    errors,
  );
}
