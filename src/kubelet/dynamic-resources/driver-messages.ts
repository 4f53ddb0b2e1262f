/** The messages between the kubelet and drivers of claimed devices: DRAPlugin (v1, v1beta1) and DRAResourceHealth (v1alpha1). */
import protobuf from 'protobufjs';
import { codecsOf } from '../grpc/message-codec.ts';

const field = (type: string, id: number, rule?: string) => ({ type, id, ...(rule && { rule }) });
const optional = (type: string, id: number) => ({ type, id, options: { proto3_optional: true } });
const byUid = (type: string) => ({ claims: { keyType: 'string', type, id: 1 } });

export const driverCodec = codecsOf(
  protobuf.Root.fromJSON({
    nested: {
      Claim: { fields: { namespace: field('string', 1), uid: field('string', 2), name: field('string', 3) } },
      // v1beta1 is the same except for the share, which it never sends.
      Device: {
        oneofs: { _shareId: { oneof: ['shareId'] } },
        fields: {
          requestNames: field('string', 1, 'repeated'),
          poolName: field('string', 2),
          deviceName: field('string', 3),
          cdiDeviceIds: field('string', 4, 'repeated'),
          shareId: optional('string', 5),
        },
      },
      NodePrepareResourcesRequest: { fields: { claims: field('Claim', 1, 'repeated') } },
      NodePrepareResourceResponse: {
        fields: { devices: field('Device', 1, 'repeated'), error: field('string', 2) },
      },
      NodePrepareResourcesResponse: { fields: byUid('NodePrepareResourceResponse') },
      NodeUnprepareResourcesRequest: { fields: { claims: field('Claim', 1, 'repeated') } },
      NodeUnprepareResourceResponse: { fields: { error: field('string', 1) } },
      NodeUnprepareResourcesResponse: { fields: byUid('NodeUnprepareResourceResponse') },
      NodeWatchResourcesRequest: { fields: {} },
      DeviceIdentifier: { fields: { poolName: field('string', 1), deviceName: field('string', 2) } },
      DeviceHealth: {
        fields: {
          device: field('DeviceIdentifier', 1),
          // An enum in the definition, and a number on the wire: values that newer drivers add stay readable.
          health: field('int32', 2),
          lastUpdatedTime: field('int64', 3),
          healthCheckTimeoutSeconds: field('int64', 4),
          message: field('string', 5),
        },
      },
      NodeWatchResourcesResponse: { fields: { devices: field('DeviceHealth', 1, 'repeated') } },
    },
  }),
);

/**
 * The services of a driver that the kubelet supports, as drivers name them when they register, with their full names.
 */
export const driverServices: Readonly<Record<string, string>> = {
  'v1.DRAPlugin': 'k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin',
  'v1beta1.DRAPlugin': 'k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin',
};

export const healthService = 'v1alpha1.DRAResourceHealth';

export interface ClaimMessage {
  namespace: string;
  uid: string;
  name: string;
}

export interface PreparedDevice {
  /** The requests of the claim; none: all of them. */
  requestNames: string[];
  poolName: string;
  deviceName: string;
  cdiDeviceIds: string[];
  shareId?: string;
}

/** The outcome for each claim, by its uid. */
export type PrepareAnswer = Record<string, { devices: PreparedDevice[]; error: string }>;
export type UnprepareAnswer = Record<string, { error: string }>;

export interface DeviceHealthMessage {
  device: { poolName: string; deviceName: string } | null;
  /** 1: healthy, 2: unhealthy, else unknown. */
  health: number;
  healthCheckTimeoutSeconds: number;
  message: string;
}
