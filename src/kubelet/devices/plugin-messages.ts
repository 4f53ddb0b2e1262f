/** The messages of the device plugin API (v1beta1). */
import protobuf from 'protobufjs';
import { codecsOf } from '../grpc/message-codec.ts';

const field = (type: string, id: number, rule?: string) => ({ type, id, ...(rule && { rule }) });
const map = (id: number) => ({ keyType: 'string', type: 'string', id });

const root = protobuf.Root.fromJSON({
  nested: {
    Options: {
      fields: { preStartRequired: field('bool', 1), getPreferredAllocationAvailable: field('bool', 2) },
    },
    RegisterRequest: {
      fields: {
        version: field('string', 1),
        endpoint: field('string', 2),
        resourceName: field('string', 3),
        options: field('Options', 4),
      },
    },
    Empty: { fields: {} },
    NUMANode: { fields: { ID: field('int64', 1) } },
    TopologyInfo: { fields: { nodes: field('NUMANode', 1, 'repeated') } },
    Device: {
      fields: { ID: field('string', 1), health: field('string', 2), topology: field('TopologyInfo', 3) },
    },
    ListAndWatchResponse: { fields: { devices: field('Device', 1, 'repeated') } },
    ContainerAllocateRequest: { fields: { devicesIDs: field('string', 1, 'repeated') } },
    AllocateRequest: { fields: { containerRequests: field('ContainerAllocateRequest', 1, 'repeated') } },
    Mount: {
      fields: { containerPath: field('string', 1), hostPath: field('string', 2), readOnly: field('bool', 3) },
    },
    DeviceSpec: {
      fields: {
        containerPath: field('string', 1),
        hostPath: field('string', 2),
        permissions: field('string', 3),
      },
    },
    CDIDevice: { fields: { name: field('string', 1) } },
    ContainerAllocateResponse: {
      fields: {
        envs: map(1),
        mounts: field('Mount', 2, 'repeated'),
        devices: field('DeviceSpec', 3, 'repeated'),
        annotations: map(4),
        cdiDevices: field('CDIDevice', 5, 'repeated'),
      },
    },
    AllocateResponse: { fields: { containerResponses: field('ContainerAllocateResponse', 1, 'repeated') } },
    ContainerPreferredAllocationRequest: {
      fields: {
        availableDeviceIDs: field('string', 1, 'repeated'),
        mustIncludeDeviceIDs: field('string', 2, 'repeated'),
        allocationSize: field('int32', 3),
      },
    },
    PreferredAllocationRequest: {
      fields: { containerRequests: field('ContainerPreferredAllocationRequest', 1, 'repeated') },
    },
    ContainerPreferredAllocationResponse: { fields: { deviceIDs: field('string', 1, 'repeated') } },
    PreferredAllocationResponse: {
      fields: { containerResponses: field('ContainerPreferredAllocationResponse', 1, 'repeated') },
    },
    PreStartContainerRequest: { fields: { devicesIDs: field('string', 1, 'repeated') } },
  },
});

export const codec = codecsOf(root);

export interface RegisterRequest {
  version: string;
  endpoint: string;
  resourceName: string;
  options?: { preStartRequired: boolean; getPreferredAllocationAvailable: boolean } | null;
}
export interface PluginDevice {
  ID: string;
  health: string;
  /** Where on the machine it is. */
  topology?: { nodes: { ID: number }[] } | null;
}
export interface ContainerAllocateResponse {
  envs: Record<string, string>;
  mounts: { containerPath: string; hostPath: string; readOnly: boolean }[];
  devices: { containerPath: string; hostPath: string; permissions: string }[];
  annotations: Record<string, string>;
  cdiDevices: { name: string }[];
}
