/** The messages of a CSI driver's node service (csi.v1) and of plugin registration, as far as a kubelet uses them. */
import protobuf from 'protobufjs';
import { codecsOf } from '../grpc/message-codec.ts';

const field = (type: string, id: number, rule?: string) => ({ type, id, ...(rule && { rule }) });
const map = (id: number) => ({ keyType: 'string', type: 'string', id });
const names = (...values: string[]) => ({
  values: Object.fromEntries(values.map((value, index) => [value, index])),
});

const registration = {
  InfoRequest: { fields: {} },
  PluginInfo: {
    fields: {
      type: field('string', 1),
      name: field('string', 2),
      endpoint: field('string', 3),
      supportedVersions: field('string', 4, 'repeated'),
    },
  },
  RegistrationStatus: { fields: { pluginRegistered: field('bool', 1), error: field('string', 2) } },
  RegistrationStatusResponse: { fields: {} },
};

const capability = {
  VolumeCapability: {
    oneofs: { accessType: { oneof: ['block', 'mount'] } },
    fields: {
      block: field('BlockVolume', 1),
      mount: field('MountVolume', 2),
      accessMode: field('AccessMode', 3),
    },
    nested: {
      BlockVolume: { fields: {} },
      MountVolume: {
        fields: {
          fsType: field('string', 1),
          mountFlags: field('string', 2, 'repeated'),
          volumeMountGroup: field('string', 3),
        },
      },
      AccessMode: {
        fields: { mode: field('Mode', 1) },
        nested: {
          Mode: names(
            'UNKNOWN',
            'SINGLE_NODE_WRITER',
            'SINGLE_NODE_READER_ONLY',
            'MULTI_NODE_READER_ONLY',
            'MULTI_NODE_SINGLE_WRITER',
            'MULTI_NODE_MULTI_WRITER',
            'SINGLE_NODE_SINGLE_WRITER',
            'SINGLE_NODE_MULTI_WRITER',
          ),
        },
      },
    },
  },
};

const node = {
  NodeStageVolumeRequest: {
    fields: {
      volumeId: field('string', 1),
      publishContext: map(2),
      stagingTargetPath: field('string', 3),
      volumeCapability: field('VolumeCapability', 4),
      secrets: map(5),
      volumeContext: map(6),
    },
  },
  NodeStageVolumeResponse: { fields: {} },
  NodeUnstageVolumeRequest: {
    fields: { volumeId: field('string', 1), stagingTargetPath: field('string', 2) },
  },
  NodeUnstageVolumeResponse: { fields: {} },
  NodePublishVolumeRequest: {
    fields: {
      volumeId: field('string', 1),
      publishContext: map(2),
      stagingTargetPath: field('string', 3),
      targetPath: field('string', 4),
      volumeCapability: field('VolumeCapability', 5),
      readonly: field('bool', 6),
      secrets: map(7),
      volumeContext: map(8),
    },
  },
  NodePublishVolumeResponse: { fields: {} },
  NodeUnpublishVolumeRequest: { fields: { volumeId: field('string', 1), targetPath: field('string', 2) } },
  NodeUnpublishVolumeResponse: { fields: {} },
  NodeGetVolumeStatsRequest: {
    fields: {
      volumeId: field('string', 1),
      volumePath: field('string', 2),
      stagingTargetPath: field('string', 3),
    },
  },
  NodeGetVolumeStatsResponse: {
    fields: { usage: field('VolumeUsage', 1, 'repeated'), volumeCondition: field('VolumeCondition', 2) },
  },
  VolumeUsage: {
    fields: {
      available: field('int64', 1),
      total: field('int64', 2),
      used: field('int64', 3),
      unit: field('Unit', 4),
    },
    nested: { Unit: names('UNKNOWN', 'BYTES', 'INODES') },
  },
  VolumeCondition: { fields: { abnormal: field('bool', 1), message: field('string', 2) } },
  NodeExpandVolumeRequest: {
    fields: {
      volumeId: field('string', 1),
      volumePath: field('string', 2),
      capacityRange: field('CapacityRange', 3),
      stagingTargetPath: field('string', 4),
      volumeCapability: field('VolumeCapability', 5),
      secrets: map(6),
    },
  },
  NodeExpandVolumeResponse: { fields: { capacityBytes: field('int64', 1) } },
  CapacityRange: { fields: { requiredBytes: field('int64', 1), limitBytes: field('int64', 2) } },
  NodeGetCapabilitiesRequest: { fields: {} },
  NodeGetCapabilitiesResponse: { fields: { capabilities: field('NodeServiceCapability', 1, 'repeated') } },
  NodeServiceCapability: {
    oneofs: { kind: { oneof: ['rpc'] } },
    fields: { rpc: field('RPC', 1) },
    nested: {
      RPC: {
        fields: { type: field('Type', 1) },
        nested: {
          Type: names(
            'UNKNOWN',
            'STAGE_UNSTAGE_VOLUME',
            'GET_VOLUME_STATS',
            'EXPAND_VOLUME',
            'VOLUME_CONDITION',
            'SINGLE_NODE_MULTI_WRITER',
            'VOLUME_MOUNT_GROUP',
          ),
        },
      },
    },
  },
  NodeGetInfoRequest: { fields: {} },
  NodeGetInfoResponse: {
    fields: {
      nodeId: field('string', 1),
      maxVolumesPerNode: field('int64', 2),
      accessibleTopology: field('Topology', 3),
    },
  },
  Topology: { fields: { segments: map(1) } },
};

export const codec = codecsOf(
  protobuf.Root.fromJSON({ nested: { ...registration, ...capability, ...node } }),
);

export interface PluginInfo {
  type: string;
  name: string;
  /** A socket; if empty, the one used for registration also serves. */
  endpoint: string;
  supportedVersions: string[];
}

export type NodeCapability =
  | 'STAGE_UNSTAGE_VOLUME'
  | 'GET_VOLUME_STATS'
  | 'EXPAND_VOLUME'
  | 'VOLUME_CONDITION'
  | 'SINGLE_NODE_MULTI_WRITER'
  | 'VOLUME_MOUNT_GROUP';

export type AccessMode =
  | 'SINGLE_NODE_WRITER'
  | 'MULTI_NODE_READER_ONLY'
  | 'MULTI_NODE_MULTI_WRITER'
  | 'SINGLE_NODE_SINGLE_WRITER'
  | 'SINGLE_NODE_MULTI_WRITER';

export interface VolumeCapability {
  block?: object;
  mount?: { fsType?: string; mountFlags?: string[]; volumeMountGroup?: string };
  accessMode: { mode: AccessMode };
}

export interface NodeInfo {
  nodeId: string;
  maxVolumesPerNode: number;
  accessibleTopology: { segments: Record<string, string> } | null;
}

export interface VolumeUsage {
  available: number;
  total: number;
  used: number;
  unit: 'UNKNOWN' | 'BYTES' | 'INODES';
}
