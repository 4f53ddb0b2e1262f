/**
 * The pod resources API (v1): which devices each container of the node has. Monitoring agents query it on a socket of
 * the kubelet.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { status as grpcStatus, Server, type ServiceError } from '@grpc/grpc-js';
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type { Outcome } from '../../base/async/timed.ts';
import type { ClaimRecord } from '../dynamic-resources/claim-records.ts';
import { devicesFor } from '../dynamic-resources/claim-rules.ts';
import type { ClaimedDevices } from '../dynamic-resources/node-claims.ts';
import { listenOnSocket, methodDefinition } from '../grpc/socket-server.ts';
import type { DeviceInventory, KnownDevice } from './device-allocator.ts';
import type { DeviceMetrics, PodResourcesMethod } from './device-metrics.ts';
import {
  type ContainerDevices,
  type DynamicResourceMessage,
  type PodResources,
  podResourcesCodec,
} from './pod-resources-messages.ts';

export interface PodResourcesOptions {
  /** `/var/lib/kubelet/pod-resources`: clients expect the socket `kubelet.sock` in it. */
  folder: string;
  devices: DeviceInventory;
  claims: Pick<ClaimedDevices, 'claimsOf'>;
  /** Pods that use the node's resources. */
  pods(): Iterable<Pod>;
  find(namespace: string, name: string): Pod | undefined;
  metrics: Pick<DeviceMetrics, 'requested'>;
}

interface NamedPod {
  podName: string;
  podNamespace: string;
}

/** Resolves when the socket is there; serves until the signal ends it. */
export async function servePodResources(options: PodResourcesOptions, signal: AbortSignal): Promise<void> {
  const { folder, devices, metrics } = options;
  const counting = (name: PodResourcesMethod) => (outcome: Outcome) => metrics.requested(name, outcome);
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const socket = join(folder, 'kubelet.sock');
  const server = new Server();
  server.addService(
    {
      List: method('List', 'Empty', 'ListPodResourcesResponse'),
      GetAllocatableResources: method('GetAllocatableResources', 'Empty', 'AllocatableResourcesResponse'),
      Get: method('Get', 'GetPodResourcesRequest', 'GetPodResourcesResponse'),
    },
    {
      List: answering(counting('list'), () => ({
        podResources: [...options.pods()].map((pod) => resourcesOf(pod, options)),
      })),
      GetAllocatableResources: answering(counting('get_allocatable'), () => ({
        devices: devices.offered().flatMap(asMessages),
      })),
      Get: answering(counting('get'), ({ podName, podNamespace }: NamedPod) => {
        const pod = options.find(podNamespace, podName);
        if (!pod) throw new Error(`pod ${podName} in namespace ${podNamespace} not found`);
        return { podResources: resourcesOf(pod, options) };
      }),
    },
  );
  await listenOnSocket(server, socket);
  signal.addEventListener('abort', () => server.forceShutdown(), { once: true });
}

function method(name: string, request: string, answer: string) {
  return methodDefinition(podResourcesCodec, { path: `/v1.PodResourcesLister/${name}`, request, answer });
}

/** A failure has its own message, without a specific code. */
function answering<Request>(count: (outcome: Outcome) => void, answer: (request: Request) => object) {
  return (
    { request }: { request: Request },
    reply: (error: Partial<ServiceError> | null, value?: object) => void,
  ) => {
    try {
      const value = answer(request);
      count('succeeded');
      reply(null, value);
    } catch (error) {
      count('failed');
      reply({ code: grpcStatus.UNKNOWN, details: (error as Error).message });
    }
  };
}

/** Init containers that have ended hold nothing once the others run: they are omitted. */
function resourcesOf(pod: Pod, { devices, claims }: PodResourcesOptions): PodResources {
  const { metadata, spec } = pod;
  const containers = [...(spec.initContainers ?? []).filter(isSidecar), ...spec.containers];
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    containers: containers.map((container) => ({
      name: container.name,
      devices: devices.ofContainer(metadata.uid, container.name).flatMap(asMessages),
      dynamicResources: claims.claimsOf(pod, container).map(({ record }) => claimMessage(record)),
    })),
  };
}

/** All of the claim's devices, whichever requests the container names. */
function claimMessage(record: ClaimRecord): DynamicResourceMessage {
  return {
    claimName: record.name,
    claimNamespace: record.namespace,
    claimResources: [...devicesFor(record)].map(
      ([driverName, { cdiDeviceIds, poolName, deviceName, shareId }]) => ({
        cdiDevices: cdiDeviceIds.map((name) => ({ name })),
        driverName,
        poolName,
        deviceName,
        ...(shareId !== undefined && { shareId }),
      }),
    ),
  };
}

/** One for each NUMA node close to the device. */
function asMessages({ resourceName, id, numaNodes }: KnownDevice): ContainerDevices[] {
  const device = { resourceName, deviceIds: [id] };
  if (numaNodes.length === 0) return [device];
  return numaNodes.map((ID) => ({ ...device, topology: { nodes: [{ ID }] } }));
}
