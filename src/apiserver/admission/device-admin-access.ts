/** Access to devices that others use, for their administration: only in namespaces that are labelled for it. */

import { Namespace, ResourceClaim, ResourceClaimTemplate } from '../../api/resources.gen.ts';
import { invalid } from '../../api/status.ts';
import type { DeviceClaim } from '../../api/types/resource-v1.gen.ts';
import { forbiddenField } from '../../api/validation/field-error.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type AdmissionAttributes, type AdmissionPlugin, writesOf } from './admission.ts';

const adminLabel = 'resource.kubernetes.io/admin-access';

export function deviceAdminAccess(objects: ObjectReader): AdmissionPlugin {
  return {
    name: 'DeviceAdminAccess',
    operations: ['CREATE', 'UPDATE'],
    resources: [writesOf(ResourceClaim), writesOf(ResourceClaim, 'status'), writesOf(ResourceClaimTemplate)],
    validate(attributes) {
      const field = adminAccessAsked(attributes);
      if (!field) return;
      const { name, request } = attributes;
      const namespace = objects.get(Namespace, '', request.namespace);
      if (namespace?.metadata.labels?.[adminLabel] === 'true') return;
      const why = `admin access to devices requires the \`${adminLabel}: true\` label on the containing namespace`;
      throw invalid(request.resource.definition.type, name, [forbiddenField(field, why)]);
    },
  };
}

/** The field that asks for it now and did not before. */
function adminAccessAsked({ operation, request, object, old }: AdmissionAttributes): string | undefined {
  const { type } = request.resource.definition;
  if (type === ResourceClaim && request.subresource === 'status' && operation === 'UPDATE')
    return adminResult(old as ResourceClaim) ? undefined : adminResult(object as ResourceClaim);
  // What a claim says cannot change.
  if (operation !== 'CREATE' || request.subresource) return undefined;
  if (type === ResourceClaim) return adminRequest((object as ResourceClaim).spec?.devices);
  if (type === ResourceClaimTemplate)
    return adminRequest((object as ResourceClaimTemplate).spec?.spec?.devices);
  return undefined;
}

/** Upstream names it so in templates, too, and in all versions. */
function adminRequest(devices: DeviceClaim | undefined): string | undefined {
  const index = (devices?.requests ?? []).findIndex(({ exactly }) => exactly?.adminAccess);
  return index < 0 ? undefined : `spec.devices.requests[${index}].adminAccess`;
}

function adminResult({ status }: ResourceClaim): string | undefined {
  const index = (status?.allocation?.devices?.results ?? []).findIndex(({ adminAccess }) => adminAccess);
  return index < 0 ? undefined : `status.allocation.devices.results[${index}].adminAccess`;
}
