/** What the devices of one claim must, or must not, have in common. */
import type { ResourceClaim } from '../../api/resources.gen.ts';
import type {
  DeviceConstraint,
  DeviceSubRequest,
  ExactDeviceRequest,
} from '../../api/types/resource-v1.gen.ts';
import type { OfferedDevice } from './device-pools.ts';
import { attributeText } from './device-selector.ts';
import type { Portion } from './shared-capacity.ts';

/** A device for a request. */
export interface Choice {
  claim: ResourceClaim;
  /** `request`, or `request/subrequest`. */
  request: string;
  asked: ExactDeviceRequest | DeviceSubRequest;
  /** Admin access: it may use devices that others hold, and holds none. */
  isAdmin: boolean;
  offered: OfferedDevice;
  /** What it takes of a device that others may use too. */
  portion: Portion | undefined;
}

/** Whether the choices so far are allowed. A device without the attribute satisfies no constraint on it. */
export function areConstraintsMet(
  constraints: readonly DeviceConstraint[],
  choices: readonly Choice[],
): boolean {
  return constraints.every(({ requests, matchAttribute, distinctAttribute }) => {
    const attribute = matchAttribute ?? distinctAttribute;
    if (attribute === undefined) return true;
    const values = choices
      .filter(({ request }) => concerns(requests, request))
      .map(({ offered }) => attributeText(offered.driver, offered.device, attribute));
    if (values.includes(undefined)) return false;
    const different = new Set(values).size;
    return matchAttribute === undefined ? different === values.length : different <= 1;
  });
}

/** No names mean all requests; the name of a request includes its subrequests. */
export function concerns(names: readonly string[] | undefined, request: string): boolean {
  if (!names?.length) return true;
  return names.includes(request) || names.includes(request.split('/', 1)[0]!);
}
