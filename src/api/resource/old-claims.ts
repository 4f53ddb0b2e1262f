/** Conversion of resource claims and slices from and to v1beta1, which nests less in requests and more in devices. */
import type { KubeObject } from '../meta.ts';
import type { Device, DeviceClaim, DeviceRequest } from '../types/resource-v1.gen.ts';
import type { Device as OldDevice, DeviceRequest as OldRequest } from '../types/resource-v1beta1.gen.ts';

type Claiming = { spec?: { devices?: DeviceClaim; spec?: { devices?: DeviceClaim } } };

function requestsOf(object: KubeObject): { requests?: DeviceRequest[] } | undefined {
  const { spec } = object as Claiming;
  return spec?.spec ? spec.spec.devices : spec?.devices;
}

export function claimFromBeta(object: KubeObject): KubeObject {
  const devices = requestsOf(object);
  if (devices?.requests)
    devices.requests = devices.requests.map((request) => requestFromBeta(request as OldRequest));
  return object;
}

export function claimToBeta(object: KubeObject): KubeObject {
  const devices = requestsOf(object);
  if (devices?.requests)
    devices.requests = devices.requests.map((request) => requestToBeta(request) as DeviceRequest);
  return object;
}

function requestFromBeta({ name, firstAvailable, ...exactly }: OldRequest): DeviceRequest {
  const request: DeviceRequest = { name };
  if (firstAvailable) request.firstAvailable = firstAvailable as NonNullable<DeviceRequest['firstAvailable']>;
  const saysMore = Object.entries(exactly).some(([key, value]) => key !== 'deviceClassName' || value !== '');
  if (saysMore || !firstAvailable) request.exactly = exactly as NonNullable<DeviceRequest['exactly']>;
  return request;
}

function requestToBeta({ name, exactly, firstAvailable }: DeviceRequest): OldRequest {
  return { name, ...exactly, ...(firstAvailable && { firstAvailable }) } as OldRequest;
}

type Slicing = { spec?: { devices?: Device[] } };

export function sliceFromBeta(object: KubeObject): KubeObject {
  const { spec } = object as Slicing;
  if (spec?.devices)
    spec.devices = (spec.devices as OldDevice[]).map(({ name, basic }) => ({ name, ...basic }) as Device);
  return object;
}

export function sliceToBeta(object: KubeObject): KubeObject {
  const { spec } = object as Slicing;
  if (spec?.devices) spec.devices = spec.devices.map(({ name, ...basic }) => ({ name, basic }) as Device);
  return object;
}
