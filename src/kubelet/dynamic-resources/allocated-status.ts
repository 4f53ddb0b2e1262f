/** What a container's status says of its devices, from plugins and claims: which they are, and their health. */
import type * as core from '../../api/types/core-v1.gen.ts';
import type { KnownDevice } from '../devices/device-allocator.ts';
import { devicesFor } from './claim-rules.ts';
import type { DeviceHealth } from './device-health.ts';
import type { PreparedDevice } from './driver-messages.ts';
import type { ContainerClaim } from './dynamic-resources.ts';

export interface AllocatedDevices {
  ofPlugins: readonly KnownDevice[];
  ofClaims: readonly ContainerClaim[];
  healthOf(driver: string, pool: string, device: string): DeviceHealth;
}

export function allocatedStatus(container: core.Container, devices: AllocatedDevices): core.ResourceStatus[] {
  return [...pluginStatuses(devices.ofPlugins), ...claimStatuses(container, devices)].filter(
    ({ resources }) => (resources?.length ?? 0) > 0,
  );
}

function pluginStatuses(devices: readonly KnownDevice[]): core.ResourceStatus[] {
  const names = [...new Set(devices.map(({ resourceName }) => resourceName))];
  return names.map((name) => ({
    name,
    resources: devices
      .filter(({ resourceName }) => resourceName === name)
      .map(({ id, isHealthy }) => ({ resourceID: id, health: isHealthy ? 'Healthy' : 'Unhealthy' })),
  }));
}

function claimStatuses(
  { resources }: core.Container,
  { ofClaims, healthOf }: AllocatedDevices,
): core.ResourceStatus[] {
  return (resources?.claims ?? []).flatMap(({ name, request }) => {
    const claim = ofClaims.find(({ entry }) => entry === name);
    if (!claim) return [];
    // Drivers know a request by its name alone, without the alternative that was chosen.
    const [baseRequest] = (request ?? '').split('/');
    const byId = new Map<string, core.ResourceHealth>();
    for (const [driver, device] of devicesFor(claim.record, baseRequest)) {
      const resourceID = idOf(driver, device);
      const health = healthOf(driver, device.poolName, device.deviceName);
      if (!byId.has(resourceID)) byId.set(resourceID, { resourceID, ...health });
    }
    const health = [...byId.values()];
    return [{ name: request ? `claim:${name}/${request}` : `claim:${name}`, resources: health }];
  });
}

function idOf(driver: string, { cdiDeviceIds, poolName, deviceName }: PreparedDevice): string {
  return cdiDeviceIds[0] ?? `${driver}/${poolName}/${deviceName}`;
}
