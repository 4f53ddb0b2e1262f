/** Dynamic resource allocation: claims, their templates, classes of devices, and the slices that drivers publish. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { duplicate, type FieldErrors, invalidValue, required } from '../field-error.ts';
import { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice } from '../resources.gen.ts';
import type { DeviceClaim, DeviceRequest } from '../types/resource-v1.gen.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { dnsLabelProblems, subdomainProblems } from '../validation/names.ts';
import { claimFromBeta, claimToBeta, sliceFromBeta, sliceToBeta } from './old-claims.ts';

const requestsMax = 32;
const claimVersions = ['v1beta2', { version: 'v1beta1', toStored: claimFromBeta, fromStored: claimToBeta }];

export const resourceClaimKind = defineKind(ResourceClaim, {
  status: 'separate',
  columns: [nameColumn, column('State', stateCell), ageColumn],
  defaults: ({ spec }) => defaultDevices(spec?.devices),
  prepareCreate(claim) {
    claim.status = {};
  },
  prepareUpdate(claim, old) {
    if (old.status) claim.status = old.status;
  },
  prepareStatusUpdate(claim, old) {
    claim.spec = old.spec;
  },
  *validate({ spec }, { subresource }) {
    if (subresource !== 'status') yield* validateDevices(spec?.devices, 'spec.devices');
  },
  *validateUpdate(claim, old, { subresource }) {
    if (subresource !== 'status') yield* immutable(claim.spec, old.spec, 'spec');
  },
  versions: claimVersions,
});

export const resourceClaimTemplateKind = defineKind(ResourceClaimTemplate, {
  columns: [nameColumn, ageColumn],
  defaults: ({ spec }) => defaultDevices(spec?.spec?.devices),
  validate: ({ spec }) => validateDevices(spec?.spec?.devices, 'spec.spec.devices'),
  *validateUpdate(template, old) {
    yield* immutable(template.spec, old.spec, 'spec');
  },
  versions: claimVersions,
});

export const deviceClassKind = defineKind(DeviceClass, {
  hasGeneration: true,
  columns: [nameColumn, ageColumn],
  *validate({ spec }) {
    for (const [index, { cel }] of (spec?.selectors ?? []).entries())
      if (!cel?.expression) yield required(`spec.selectors[${index}].cel`);
  },
  versions: ['v1beta2', 'v1beta1'],
});

export const resourceSliceKind = defineKind(ResourceSlice, {
  hasGeneration: true,
  columns: [
    nameColumn,
    column('Node', ({ spec }) => spec?.nodeName ?? '<unset>'),
    column('Driver', ({ spec }) => spec?.driver ?? ''),
    column('Pool', ({ spec }) => spec?.pool?.name ?? ''),
    ageColumn,
  ],
  *validate({ spec }) {
    const { driver, pool, nodeName, nodeSelector, allNodes, perDeviceNodeSelection } = spec ?? {};
    if (!driver) yield required('spec.driver');
    else yield* invalidFor('spec.driver', driver, subdomainProblems(driver));
    if (!pool?.name) yield required('spec.pool.name');
    const places = [nodeName, nodeSelector, allNodes, perDeviceNodeSelection].filter(Boolean).length;
    if (places !== 1)
      yield invalidValue(
        'spec',
        null,
        'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
      );
    const names = new Set<string>();
    for (const [index, { name }] of (spec?.devices ?? []).entries()) {
      if (!name) yield required(`spec.devices[${index}].name`);
      else yield* invalidFor(`spec.devices[${index}].name`, name, dnsLabelProblems(name));
      if (names.has(name)) yield duplicate(`spec.devices[${index}].name`, name);
      names.add(name);
    }
  },
  *validateUpdate(slice, old) {
    for (const name of ['driver', 'nodeName'] as const)
      yield* immutable(slice.spec?.[name], old.spec?.[name], `spec.${name}`);
    yield* immutable(slice.spec?.pool?.name, old.spec?.pool?.name, 'spec.pool.name');
  },
  selectableFields: ({ spec }) => ({
    'spec.nodeName': spec?.nodeName ?? '',
    'spec.driver': spec?.driver ?? '',
  }),
  versions: ['v1beta2', { version: 'v1beta1', toStored: sliceFromBeta, fromStored: sliceToBeta }],
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
