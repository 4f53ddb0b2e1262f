/** ResourceClaims and their templates: the devices that pods ask for. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { ResourceClaim, ResourceClaimTemplate } from '../resources.gen.ts';
import type { DeviceClaim } from '../types/resource-v1.gen.ts';
import { immutable } from '../validation/fields.ts';
import { validateTemplateMeta } from '../validation/object-meta.ts';
import { firstBetaDeprecation, secondBetaDeprecation } from './beta-versions.ts';
import { validateDeviceClaim } from './claim-rules.ts';
import { validateClaimStatus } from './claim-status-rules.ts';
import { claimFromBeta, claimToBeta } from './old-claims.ts';

const claimVersions = [
  { version: 'v1beta2', deprecation: secondBetaDeprecation },
  {
    version: 'v1beta1',
    toStored: claimFromBeta,
    fromStored: claimToBeta,
    deprecation: firstBetaDeprecation,
  },
];

export const resourceClaimKind = defineKind(ResourceClaim, {
  returnsDeleted: true,
  status: 'separate',
  columns: [nameColumn, column('State', stateCell), ageColumn],
  defaults: ({ spec }) => defaultDevices(spec?.devices),
  prepareCreate(claim) {
    claim.status = {};
  },
  // What cannot change need not be judged again.
  *validate({ spec }, { isUpdate }) {
    if (!isUpdate) yield* validateDeviceClaim(spec?.devices, 'spec.devices');
  },
  *validateUpdate(claim, old, { subresource }) {
    if (subresource === 'status') yield* validateClaimStatus(claim, old);
    else yield* immutable(claim.spec, old.spec, 'spec', 'resource.ResourceClaimSpec');
  },
  versions: claimVersions,
});

export const resourceClaimTemplateKind = defineKind(ResourceClaimTemplate, {
  returnsDeleted: true,
  columns: [nameColumn, ageColumn],
  defaults: ({ spec }) => defaultDevices(spec?.spec?.devices),
  *validate({ spec }) {
    yield* validateTemplateMeta(spec?.metadata, 'spec.metadata');
    yield* validateDeviceClaim(spec?.spec?.devices, 'spec.spec.devices');
  },
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
