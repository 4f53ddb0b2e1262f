/** The container runtime over gRPC on a unix socket: containerd, CRI-O or any other that speaks runtime.v1. */

import { listDownloads } from './containerd/containerd-downloads.ts';
import { subscribeContainerdEvents } from './containerd/containerd-events.ts';
import { endAbandonedLeases } from './containerd/containerd-leases.ts';
import { type Call, callsOf, connectRuntime } from './grpc-calls.ts';
import type {
  Container,
  ContainerStats,
  ContainerStatus,
  FilesystemUsage,
  Image,
  Sandbox,
  SandboxStatus,
} from './messages.ts';
import type { ContainerFilter, ContainerRuntime, SandboxFilter } from './runtime.ts';
import { isNotFound, RuntimeError } from './runtime-error.ts';

/** Upstream's `runtimeRequestTimeout`, for requests that should return at once. */
const requestTimeoutMs = 120_000;
/** For requests that set up a file system, a network or a process. */
const startTimeoutMs = 2 * requestTimeoutMs;
const statusTimeoutMs = 10_000;

/** `socketPath`: of the runtime's gRPC server. `timeoutMs`: for requests without their own timeout. */
export function grpcRuntime(socketPath: string, { timeoutMs = requestTimeoutMs } = {}): ContainerRuntime {
  const client = connectRuntime(socketPath);
  const runtime = callsOf(client, 'RuntimeService', timeoutMs);
  return {
    ...statusCalls(runtime),
    ...sandboxCalls(runtime),
    ...containerCalls(runtime),
    ...streamCalls(runtime),
    ...imageCalls(callsOf(client, 'ImageService', timeoutMs)),
    downloads: () => listDownloads(client).catch((error) => ifUnimplemented(error, [])),
    dropAbandoned: () => endAbandonedLeases(client, socketPath).catch((error) => ifUnimplemented(error, 0)),
    events: (signal, ready) => subscribeContainerdEvents(client, signal, ready),
    close: () => client.close(),
  };
}

function statusCalls(runtime: Call): Pick<ContainerRuntime, 'version' | 'status' | 'updatePodCidr'> {
  return {
    version: () => runtime('Version', { version: 'v1' }, { timeoutMs: statusTimeoutMs }),
    async status(options) {
      const answer = await runtime<{
        status: { conditions: [] };
        info: Record<string, string>;
        runtimeHandlers: { name: string; features?: Record<string, boolean> | null }[];
        features?: { supplementalGroupsPolicy: boolean } | null;
      }>('Status', { verbose: options?.verbose ?? false }, { timeoutMs: statusTimeoutMs });
      return {
        conditions: answer.status.conditions,
        info: answer.info,
        handlers: answer.runtimeHandlers.map((handler) => ({
          name: handler.name,
          recursiveReadOnlyMounts: handler.features?.recursiveReadOnlyMounts ?? false,
          userNamespaces: handler.features?.userNamespaces ?? false,
        })),
        ...(answer.features && {
          features: { supplementalGroupsPolicy: answer.features.supplementalGroupsPolicy },
        }),
      };
    },
    async updatePodCidr(podCidr) {
      await runtime('UpdateRuntimeConfig', { runtimeConfig: { networkConfig: { podCidr } } });
    },
  };
}

function sandboxCalls(
  runtime: Call,
): Pick<
  ContainerRuntime,
  'runPodSandbox' | 'stopPodSandbox' | 'removePodSandbox' | 'podSandboxStatus' | 'listPodSandboxes'
> {
  return {
    async runPodSandbox(config, runtimeHandler, options) {
      const answer = await runtime<{ podSandboxId: string }>(
        'RunPodSandbox',
        { config, runtimeHandler },
        { timeoutMs: startTimeoutMs, ...options },
      );
      return answer.podSandboxId;
    },
    async stopPodSandbox(id) {
      await runtime('StopPodSandbox', { podSandboxId: id }).catch(ignoreNotFound);
    },
    async removePodSandbox(id) {
      await runtime('RemovePodSandbox', { podSandboxId: id }).catch(ignoreNotFound);
    },
    async podSandboxStatus(id) {
      const answer = await runtime<{ status: SandboxStatus }>('PodSandboxStatus', { podSandboxId: id });
      return answer.status;
    },
    async listPodSandboxes(filter) {
      const answer = await runtime<{ items: Sandbox[] }>('ListPodSandbox', { filter: wireFilter(filter) });
      return answer.items;
    },
  };
}

function containerCalls(
  runtime: Call,
): Pick<
  ContainerRuntime,
  | 'createContainer'
  | 'startContainer'
  | 'stopContainer'
  | 'removeContainer'
  | 'containerStatus'
  | 'listContainers'
  | 'updateContainerResources'
  | 'reopenContainerLog'
  | 'listContainerStats'
> {
  return {
    async createContainer(podSandboxId, config, sandboxConfig) {
      const request = { podSandboxId, config, sandboxConfig };
      const answer = await runtime<{ containerId: string }>('CreateContainer', request, {
        timeoutMs: startTimeoutMs,
      });
      return answer.containerId;
    },
    async startContainer(id) {
      await runtime('StartContainer', { containerId: id }, { timeoutMs: startTimeoutMs });
    },
    async stopContainer(id, timeoutSeconds) {
      const timeout = Math.max(0, Math.ceil(timeoutSeconds));
      await runtime(
        'StopContainer',
        { containerId: id, timeout },
        { timeoutMs: timeout * 1000 + requestTimeoutMs },
      ).catch(ignoreNotFound);
    },
    async removeContainer(id) {
      await runtime('RemoveContainer', { containerId: id });
    },
    async containerStatus(id) {
      return (await runtime<{ status: ContainerStatus }>('ContainerStatus', { containerId: id })).status;
    },
    async listContainers(filter) {
      const answer = await runtime<{ containers: Container[] }>('ListContainers', {
        filter: wireFilter(filter),
      });
      return answer.containers;
    },
    async updateContainerResources(id, linux) {
      await runtime('UpdateContainerResources', { containerId: id, linux });
    },
    async reopenContainerLog(id) {
      await runtime('ReopenContainerLog', { containerId: id });
    },
    async listContainerStats(filter) {
      const { state: _, ...rest } = filter ?? {};
      const request = { filter: rest };
      return (await runtime<{ stats: ContainerStats[] }>('ListContainerStats', request)).stats;
    },
  };
}

/** Commands in containers, and the addresses of streams that the runtime serves. */
function streamCalls(runtime: Call): Pick<ContainerRuntime, 'execSync' | 'exec' | 'attach' | 'portForward'> {
  return {
    execSync: (id, cmd, timeoutSeconds) =>
      runtime(
        'ExecSync',
        { containerId: id, cmd, timeout: timeoutSeconds },
        { timeoutMs: timeoutSeconds > 0 ? (timeoutSeconds + 10) * 1000 : Number.POSITIVE_INFINITY },
      ),
    exec: async (options) => (await runtime<{ url: string }>('Exec', options)).url,
    attach: async (options) => (await runtime<{ url: string }>('Attach', options)).url,
    portForward: async (podSandboxId, port) =>
      (await runtime<{ url: string }>('PortForward', { podSandboxId, port })).url,
  };
}

function imageCalls(
  images: Call,
): Pick<
  ContainerRuntime,
  'listImages' | 'imageStatus' | 'imageSnapshot' | 'pullImage' | 'removeImage' | 'imageFsInfo'
> {
  const imageFsInfo = async () =>
    (await images<{ imageFilesystems: FilesystemUsage[] }>('ImageFsInfo', {})).imageFilesystems;
  return {
    listImages: async () => (await images<{ images: Image[] }>('ListImages', {})).images,
    imageStatus: async (image) =>
      (await images<{ image: Image | null }>('ImageStatus', { image })).image ?? undefined,
    async imageSnapshot(image) {
      const answer = await images<VerboseImageStatus>('ImageStatus', { image, verbose: true });
      if (!answer.image) return undefined;
      const { chainID } = JSON.parse(answer.info.info ?? '{}') as { chainID?: string };
      const [snapshotter] = (await imageFsInfo()).flatMap(({ fsId }) => snapshotterAt(fsId?.mountpoint));
      if (!chainID || !snapshotter)
        throw new RuntimeError('Unimplemented', 'the runtime does not tell where the files of images are');
      return { chainId: chainID, snapshotter };
    },
    async pullImage(image, auth, sandboxConfig, options) {
      const answer = await images<{ imageRef: string }>(
        'PullImage',
        { image, auth, sandboxConfig },
        { timeoutMs: Number.POSITIVE_INFINITY, ...options },
      );
      return answer.imageRef;
    },
    async removeImage(image) {
      await images('RemoveImage', { image });
    },
    imageFsInfo,
  };
}

interface VerboseImageStatus {
  image: Image | null;
  /** JSON by topic, such as `info`. */
  info: Record<string, string>;
}

/** containerd keeps snapshots in a folder named after their snapshotter. */
function snapshotterAt(folder = ''): string[] {
  const name = /\/io\.containerd\.snapshotter\.v1\.([^/]+)$/.exec(folder)?.[1];
  return name === undefined ? [] : [name];
}

/** On the wire a state is wrapped in a message: a bare enumeration could not distinguish "any" from its first value. */
function wireFilter(filter: ContainerFilter | SandboxFilter | undefined): object {
  const { state, ...rest } = filter ?? {};
  return { ...rest, ...(state && { state: { state } }) };
}

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}

/** Other runtimes than containerd clean up in their own way, and do not tell what they download. */
function ifUnimplemented<T>(error: unknown, value: T): T {
  if (error instanceof RuntimeError && error.code === 'Unimplemented') return value;
  throw error;
}
