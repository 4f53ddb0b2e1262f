/** The messages of the pod resources API (v1). */
import protobuf from 'protobufjs';
import { codecsOf } from '../grpc/message-codec.ts';

const field = (type: string, id: number, rule?: string) => ({ type, id, ...(rule && { rule }) });

export const podResourcesCodec = codecsOf(
  protobuf.Root.fromJSON({
    nested: {
      Empty: { fields: {} },
      NUMANode: { fields: { ID: field('int64', 1) } },
      TopologyInfo: { fields: { nodes: field('NUMANode', 1, 'repeated') } },
      ContainerDevices: {
        fields: {
          resourceName: field('string', 1),
          deviceIds: field('string', 2, 'repeated'),
          topology: field('TopologyInfo', 3),
        },
      },
      CDIDevice: { fields: { name: field('string', 1) } },
      ClaimResource: {
        oneofs: { _shareId: { oneof: ['shareId'] } },
        fields: {
          cdiDevices: field('CDIDevice', 1, 'repeated'),
          driverName: field('string', 2),
          poolName: field('string', 3),
          deviceName: field('string', 4),
          shareId: { type: 'string', id: 5, options: { proto3_optional: true } },
        },
      },
      DynamicResource: {
        fields: {
          claimName: field('string', 2),
          claimNamespace: field('string', 3),
          claimResources: field('ClaimResource', 4, 'repeated'),
        },
      },
      // CPUs and memory are not assigned exclusively here: their fields, 3 and 4, stay empty.
      ContainerResources: {
        fields: {
          name: field('string', 1),
          devices: field('ContainerDevices', 2, 'repeated'),
          dynamicResources: field('DynamicResource', 5, 'repeated'),
        },
      },
      PodResources: {
        fields: {
          name: field('string', 1),
          namespace: field('string', 2),
          containers: field('ContainerResources', 3, 'repeated'),
        },
      },
      ListPodResourcesResponse: { fields: { podResources: field('PodResources', 1, 'repeated') } },
      AllocatableResourcesResponse: { fields: { devices: field('ContainerDevices', 1, 'repeated') } },
      GetPodResourcesRequest: { fields: { podName: field('string', 1), podNamespace: field('string', 2) } },
      GetPodResourcesResponse: { fields: { podResources: field('PodResources', 1) } },
    },
  }),
);

export interface ContainerDevices {
  resourceName: string;
  deviceIds: string[];
  topology?: { nodes: { ID: number }[] } | null;
}
/** A claim, and what was prepared for it. */
export interface DynamicResourceMessage {
  claimName: string;
  claimNamespace: string;
  claimResources: {
    cdiDevices: { name: string }[];
    driverName: string;
    poolName: string;
    deviceName: string;
    shareId?: string;
  }[];
}
export interface PodResources {
  name: string;
  namespace: string;
  containers: { name: string; devices: ContainerDevices[]; dynamicResources: DynamicResourceMessage[] }[];
}
