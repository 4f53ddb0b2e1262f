/** ResourceClaims and their templates: the devices that pods ask for. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { duplicate, type FieldErrors, invalidValue, required } from '../field-error.ts';
import { ResourceClaim, ResourceClaimTemplate } from '../resources.gen.ts';
import type { DeviceClaim, DeviceRequest } from '../types/resource-v1.gen.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { dnsLabelProblems } from '../validation/names.ts';
import { claimFromBeta, claimToBeta } from './old-claims.ts';

const requestsMax = 32;
const claimVersions = ['v1beta2', { version: 'v1beta1', toStored: claimFromBeta, fromStored: claimToBeta }];

export const resourceClaimKind = defineKind(ResourceClaim, {
  status: 'separate',
  columns: [nameColumn, column('State', stateCell), ageColumn],
  defaults: ({ spec }) => defaultDevices(spec?.devices),
  prepareCreate(claim) {
    claim.status = {};
  },
  *validate({ spec }, { subresource }) {
    if (subresource !== 'status') yield* validateDevices(spec?.devices, 'spec.devices');
  },
  *validateUpdate(claim, old, { subresource }) {
    if (subresource !== 'status')
      yield* immutable(claim.spec, old.spec, 'spec', 'resource.ResourceClaimSpec');
  },
  versions: claimVersions,
});

export const resourceClaimTemplateKind = defineKind(ResourceClaimTemplate, {
  columns: [nameColumn, ageColumn],
  defaults: ({ spec }) => defaultDevices(spec?.spec?.devices),
  validate: ({ spec }) => validateDevices(spec?.spec?.devices, 'spec.spec.devices'),
  *validateUpdate(template, old) {
    yield* immutable(template.spec, old.spec, 'spec', 'resource.ResourceClaimTemplateSpec');
  },
  versions: claimVersions,
});

function defaultDevices(devices: DeviceClaim | undefined): void {
  for (const request of devices?.requests ?? [])
    for (const asked of [...(request.exactly ? [request.exactly] : []), ...(request.firstAvailable ?? [])]) {
      asked.allocationMode ??= 'ExactCount';
      if (asked.allocationMode === 'ExactCount') asked.count ??= 1;
      for (const toleration of asked.tolerations ?? []) toleration.operator ??= 'Equal';
    }
}

function* validateDevices(devices: DeviceClaim | undefined, field: string): FieldErrors {
  const requests = devices?.requests ?? [];
  if (requests.length > requestsMax)
    yield invalidValue(`${field}.requests`, requests.length, `must have at most ${requestsMax} items`);
  const names = new Set<string>();
  for (const [index, request] of requests.entries()) {
    const path = `${field}.requests[${index}]`;
    if (!request.name) yield required(`${path}.name`);
    else yield* invalidFor(`${path}.name`, request.name, dnsLabelProblems(request.name));
    if (names.has(request.name)) yield duplicate(`${path}.name`, request.name);
    names.add(request.name);
    yield* validateRequest(request, path);
  }
}

function* validateRequest({ exactly, firstAvailable }: DeviceRequest, path: string): FieldErrors {
  if (!exactly && !firstAvailable?.length)
    yield required(path, 'exactly one of `exactly` or `firstAvailable` is required');
  if (exactly && firstAvailable?.length)
    yield invalidValue(
      path,
      null,
      'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
    );
  const asked = exactly
    ? [{ field: `${path}.exactly`, request: exactly }]
    : (firstAvailable ?? []).map((request, index) => ({
        field: `${path}.firstAvailable[${index}]`,
        request,
      }));
  for (const { field, request } of asked) {
    if (!request.deviceClassName) yield required(`${field}.deviceClassName`);
    yield* oneOf(request.allocationMode, ['All', 'ExactCount'], `${field}.allocationMode`, 'optional');
    if (request.allocationMode === 'ExactCount' && !((request.count ?? 0) > 0))
      yield invalidValue(`${field}.count`, request.count ?? 0, 'must be greater than zero');
    if (request.allocationMode === 'All' && request.count)
      yield invalidValue(
        `${field}.count`,
        request.count,
        "must not be specified when allocationMode is 'All'",
      );
  }
}

function stateCell({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp) states.push('deleted');
  if (!status?.allocation) states.push('pending');
  else {
    states.push('allocated');
    if (status.reservedFor?.length) states.push('reserved');
  }
  return states.join(',');
}
