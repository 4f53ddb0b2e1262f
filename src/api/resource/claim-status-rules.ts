/** Validation of the status of a claim: the devices that it got, their conditions, and the pods that use them. */
import { validateNodeSelector } from '../core/pod-spec/scheduling.ts';
import type { ResourceClaim } from '../resources.gen.ts';
import { validateDriverName } from '../storage/csi-driver.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  NetworkDeviceData,
  ResourceClaimConsumerReference,
  ResourceClaimStatus,
} from '../types/resource-v1.gen.ts';
import { parseRange } from '../validation/addresses.ts';
import { validateConditions } from '../validation/conditions.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  required,
  tooLong,
  tooMany,
} from '../validation/field-error.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import {
  configurationsMax,
  type RequestNames,
  requestNamesOf,
  validateRequestReference,
  validateRequestReferences,
} from './claim-rules.ts';
import {
  validateBindingConditions,
  validateConfiguration,
  validateItems,
  validateJsonObject,
  validateLabelName,
  validatePoolName,
  validateSet,
  validateShareId,
} from './device-rules.ts';

const usersMax = 256;
const resultsMax = 32;
const conditionsMax = 8;
const dataMax = 10 * 1024;
const addressesMax = 16;
const interfaceNameMax = 256;
const hardwareAddressMax = 128;
const notAnAddress = 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)';

export function* validateClaimStatus(claim: ResourceClaim, old: ResourceClaim): FieldErrors {
  const status = claim.status ?? {};
  yield* validateSet(status.reservedFor, usersMax, 'status.reservedFor', {
    item: validateUser,
    key: ({ uid = '' }) => uid,
  });
  yield* validateDevices(status);
  yield* validateReservation(claim, old);
  const { allocation } = status;
  if (allocation && old.status?.allocation)
    yield* immutable(allocation, old.status.allocation, 'status.allocation', 'resource.AllocationResult');
  else if (allocation) yield* validateAllocation(allocation, requestNamesOf(claim.spec?.devices));
}

function* validateUser(
  { resource, name, uid }: Partial<ResourceClaimConsumerReference>,
  field: string,
): FieldErrors {
  if (!resource) yield required(`${field}.resource`);
  if (!name) yield required(`${field}.name`);
  if (!uid) yield required(`${field}.uid`);
}

/** As long as a claim is being deleted, users may only go. */
function* validateReservation({ metadata, status }: ResourceClaim, old: ResourceClaim): FieldErrors {
  const users = status?.reservedFor ?? [];
  if (users.length === 0) return;
  if (!status?.allocation)
    yield forbiddenField('status.reservedFor', 'may not be specified when `allocated` is not set');
  else if (metadata.deletionTimestamp) {
    const before = new Set((old.status?.reservedFor ?? []).map(({ uid }) => uid));
    if (users.some(({ uid }) => !before.has(uid)))
      yield forbiddenField(
        'status.reservedFor',
        'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set',
      );
  }
}

interface DeviceId {
  driver?: string;
  pool?: string;
  device?: string;
  shareID?: string;
}

/** As upstream prints it. */
function shownId({ driver = '', pool = '', device = '', shareID = '' }: DeviceId): Record<string, string> {
  return { Driver: driver, Pool: pool, Device: device, ShareID: shareID };
}

function* validateDevices({ devices, allocation }: ResourceClaimStatus): FieldErrors {
  const allocated = new Set((allocation?.devices?.results ?? []).map(idText));
  for (const [index, device] of (devices ?? []).entries())
    yield* validateDeviceStatus(device, `status.devices[${index}]`, allocated);
  const seen = new Set<string>();
  for (const [index, device] of (devices ?? []).entries()) {
    const id = idText(device);
    if (seen.has(id)) yield duplicate(`status.devices[${index}]`, shownId(device));
    seen.add(id);
  }
}

function idText(id: DeviceId): string {
  return JSON.stringify(shownId(id));
}

function* validateDeviceStatus(
  device: AllocatedDeviceStatus,
  field: string,
  allocated: ReadonlySet<string>,
): FieldErrors {
  yield* validateDriverName(device.driver, `${field}.driver`);
  yield* validatePoolName(device.pool, `${field}.pool`);
  yield* validateLabelName(device.device, `${field}.device`);
  if (device.shareID !== undefined) yield* validateShareId(device.shareID, `${field}.shareID`);
  if (!allocated.has(idText(device)))
    yield invalidValue(field, shownId(device), 'must be an allocated device in the claim');
  const count = device.conditions?.length ?? 0;
  if (count > conditionsMax) yield tooMany(`${field}.conditions`, count, conditionsMax);
  yield* validateConditions(device.conditions, `${field}.conditions`);
  if (device.data !== undefined) yield* validateJsonObject(device.data, `${field}.data`, dataMax);
  if (device.networkData) yield* validateNetworkData(device.networkData, `${field}.networkData`);
}

function* validateNetworkData(data: NetworkDeviceData, field: string): FieldErrors {
  if ((data.interfaceName?.length ?? 0) > interfaceNameMax)
    yield tooLong(`${field}.interfaceName`, interfaceNameMax);
  if ((data.hardwareAddress?.length ?? 0) > hardwareAddressMax)
    yield tooLong(`${field}.hardwareAddress`, hardwareAddressMax);
  yield* validateSet(data.ips, addressesMax, `${field}.ips`, {
    item: (address, path) => invalidFor(path, address, parseRange(address) ? [] : [notAnAddress]),
    key: (address) => address,
  });
}

function* validateAllocation({ devices, nodeSelector }: AllocationResult, names: RequestNames): FieldErrors {
  const field = 'status.allocation';
  yield* validateItems(devices?.results, resultsMax, `${field}.devices.results`, (result, path) =>
    validateResult(result, path, names),
  );
  // Those of the class, and those of the claim.
  const max = 2 * configurationsMax;
  yield* validateItems(devices?.config, max, `${field}.devices.config`, (config, path) =>
    validateAllocatedConfiguration(config, path, names),
  );
  if (nodeSelector) yield* validateNodeSelector(nodeSelector, `${field}.nodeSelector`);
}

function* validateResult(
  result: DeviceRequestAllocationResult,
  field: string,
  names: RequestNames,
): FieldErrors {
  yield* validateRequestReference(result.request, `${field}.request`, names);
  yield* validateDriverName(result.driver, `${field}.driver`);
  yield* validatePoolName(result.pool, `${field}.pool`);
  yield* validateLabelName(result.device, `${field}.device`);
  yield* validateBindingConditions(result, field);
  if (result.shareID !== undefined) yield* validateShareId(result.shareID, `${field}.shareID`);
}

function* validateAllocatedConfiguration(
  config: DeviceAllocationConfiguration,
  field: string,
  names: RequestNames,
): FieldErrors {
  yield* oneOf(config.source, ['FromClaim', 'FromClass'], `${field}.source`, 'required');
  yield* validateRequestReferences(config.requests, `${field}.requests`, names);
  yield* validateConfiguration(config, field);
}
