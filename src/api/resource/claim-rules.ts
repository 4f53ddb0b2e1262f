/** What a claim for devices may say: requests, constraints between them, and parameters for drivers. */

import type {
  DeviceClaim,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
} from '../types/resource-v1.gen.ts';
import { type FieldErrors, invalidValue, notSupported, required } from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { subdomainProblems } from '../validation/names.ts';
import {
  validateConfiguration,
  validateFullAttributeName,
  validateItems,
  validateLabelName,
  validateSelectors,
  validateSet,
  validateToleration,
} from './device-rules.ts';

const requestsMax = 32;
const constraintsMax = 32;
export const configurationsMax = 32;
const alternativesMax = 8;

/** Names of requests, each with those of its alternatives. */
export type RequestNames = ReadonlyMap<string, ReadonlySet<string>>;

export function requestNamesOf(devices: DeviceClaim | undefined): RequestNames {
  return new Map(
    (devices?.requests ?? []).map(({ name = '', firstAvailable = [] }) => [
      name,
      new Set(firstAvailable.map((alternative) => alternative.name ?? '')),
    ]),
  );
}

const sameText = (text: string): string => text;

export function* validateDeviceClaim(devices: DeviceClaim | undefined, field: string): FieldErrors {
  const names = requestNamesOf(devices);
  yield* validateSet(devices?.requests, requestsMax, `${field}.requests`, {
    item: validateRequest,
    key: ({ name = '' }) => name,
  });
  yield* validateItems(devices?.constraints, constraintsMax, `${field}.constraints`, (constraint, path) =>
    validateConstraint(constraint, path, names),
  );
  yield* validateItems(devices?.config, configurationsMax, `${field}.config`, function* (config, path) {
    yield* validateRequestReferences(config.requests, `${path}.requests`, names);
    yield* validateConfiguration(config, path);
  });
}

export function validateRequestReferences(
  references: readonly string[] | undefined,
  field: string,
  names: RequestNames,
): FieldErrors {
  return validateSet(references, requestsMax, field, {
    item: (name, path) => validateRequestReference(name, path, names),
    key: sameText,
  });
}

/** `request`, or `request/alternative`. */
export function* validateRequestReference(name = '', field: string, names: RequestNames): FieldErrors {
  const problem =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  const parts = name.split('/');
  if (parts.length <= 2) for (const part of parts) yield* validateLabelName(part, field);
  const [request = '', alternative] = parts;
  const alternatives = parts.length <= 2 ? names.get(request) : undefined;
  if (!alternatives || (alternative !== undefined && !alternatives.has(alternative)))
    yield invalidValue(field, name, problem);
}

function* validateRequest({ name, exactly, firstAvailable }: DeviceRequest, field: string): FieldErrors {
  yield* validateLabelName(name, `${field}.name`);
  const oneOfThem = 'exactly one of `exactly` or `firstAvailable` is required';
  if (exactly && firstAvailable?.length)
    yield invalidValue(field, null, `${oneOfThem}, but multiple fields are set`);
  else if (exactly) yield* validateWanted(exactly, `${field}.exactly`);
  else if (firstAvailable?.length)
    yield* validateSet(firstAvailable, alternativesMax, `${field}.firstAvailable`, {
      *item(alternative, path) {
        yield* validateLabelName(alternative.name, `${path}.name`);
        yield* validateWanted(alternative, path);
      },
      key: (alternative) => alternative.name ?? '',
    });
  else yield required(field, oneOfThem);
}

function* validateWanted(wanted: ExactDeviceRequest | DeviceSubRequest, field: string): FieldErrors {
  const { deviceClassName } = wanted;
  if (!deviceClassName) yield required(`${field}.deviceClassName`);
  else yield* invalidFor(`${field}.deviceClassName`, deviceClassName, subdomainProblems(deviceClassName));
  yield* validateSelectors(wanted.selectors, `${field}.selectors`);
  yield* validateCount(wanted, field);
  for (const [index, toleration] of (wanted.tolerations ?? []).entries())
    yield* validateToleration(toleration, `${field}.tolerations[${index}]`);
}

type Counted = Pick<ExactDeviceRequest, 'allocationMode' | 'count'>;

function* validateCount({ allocationMode, count = 0 }: Counted, field: string): FieldErrors {
  if (allocationMode === 'All') {
    if (count !== 0)
      yield invalidValue(`${field}.count`, count, "must not be specified when allocationMode is 'All'");
  } else if (allocationMode === 'ExactCount') {
    if (count <= 0) yield invalidValue(`${field}.count`, count, 'must be greater than zero');
  } else yield notSupported(`${field}.allocationMode`, allocationMode ?? '', ['All', 'ExactCount']);
}

function* validateConstraint(constraint: DeviceConstraint, field: string, names: RequestNames): FieldErrors {
  const { requests, matchAttribute, distinctAttribute } = constraint;
  yield* validateRequestReferences(requests, `${field}.requests`, names);
  if (matchAttribute !== undefined)
    yield* validateFullAttributeName(matchAttribute, `${field}.matchAttribute`);
  else if (distinctAttribute !== undefined)
    yield* validateFullAttributeName(distinctAttribute, `${field}.distinctAttribute`);
  else
    yield required(
      field,
      'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set',
    );
}
