/** The container runtime over gRPC on a unix socket: containerd, CRI-O or any other that speaks runtime.v1. */
import { Client, credentials, type CallOptions as GrpcCallOptions } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { subscribeContainerdEvents } from './containerd-events.ts';
import { asRuntimeError } from './grpc-error.ts';
import {
  type Container,
  type ContainerFilter,
  type ContainerRuntime,
  type ContainerStats,
  type ContainerStatus,
  type FilesystemUsage,
  type Image,
  RuntimeError,
  type Sandbox,
  type SandboxStatus,
} from './runtime.ts';
import descriptor from './runtime-v1.protobuf.json' with { type: 'json' };

/** An image list or a list of a thousand containers with their labels is a few megabytes. */
const messageSizeMaxBytes = 64 * 1024 * 1024;

const toPlain: protobuf.IConversionOptions = {
  longs: Number,
  enums: String,
  defaults: true,
  arrays: true,
  objects: true,
};

/** Upstream's `runtimeRequestTimeout`: of requests that by their nature take no time. */
const requestTimeoutMs = 120_000;

type Service = 'RuntimeService' | 'ImageService';

interface CallOptions {
  /** Infinity: as long as it takes. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** `socketPath`: of the runtime's gRPC server. `timeoutMs`: of requests without a time of their own. */
export function grpcRuntime(
  socketPath: string,
  { timeoutMs: usualTimeoutMs = requestTimeoutMs } = {},
): ContainerRuntime {
  const client = new Client(`unix://${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': messageSizeMaxBytes,
    'grpc.max_send_message_length': messageSizeMaxBytes,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1000,
  });

  function call<Answer>(
    service: Service,
    method: string,
    request: object,
    { timeoutMs = usualTimeoutMs, signal }: CallOptions = {},
  ): Promise<Answer> {
    const { path, requestType, responseType } = methodOf(service, method);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new RuntimeError('Canceled', 'context canceled'));
      const options: GrpcCallOptions = { deadline: Date.now() + timeoutMs };
      const pending = client.makeUnaryRequest(
        path,
        (message: object) => Buffer.from(requestType.encode(requestType.fromObject(message)).finish()),
        (bytes: Buffer) => responseType.toObject(responseType.decode(bytes), toPlain),
        request,
        options,
        (error, answer) => {
          signal?.removeEventListener('abort', cancel);
          if (error) reject(asRuntimeError(error));
          else resolve(answer as Answer);
        },
      );
      const cancel = () => pending.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }
  const runtime = <Answer = unknown>(method: string, request: object, options?: CallOptions) =>
    call<Answer>('RuntimeService', method, request, options);
  const images = <Answer = unknown>(method: string, request: object, options?: CallOptions) =>
    call<Answer>('ImageService', method, request, options);

  return {
    version: () => runtime('Version', { version: 'v1' }, { timeoutMs: 10_000 }),
    async status(options) {
      const answer = await runtime<{
        status: { conditions: [] };
        info: Record<string, string>;
        runtimeHandlers: { name: string; features?: Record<string, boolean> | null }[];
        features?: { supplementalGroupsPolicy: boolean } | null;
      }>('Status', { verbose: options?.verbose ?? false }, { timeoutMs: 10_000 });
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

    async runPodSandbox(config, runtimeHandler, options) {
      const answer = await runtime<{ podSandboxId: string }>(
        'RunPodSandbox',
        { config, runtimeHandler },
        { timeoutMs: 240_000, ...options },
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
      const { state, ...rest } = filter ?? {};
      const answer = await runtime<{ items: Sandbox[] }>('ListPodSandbox', {
        filter: { ...rest, ...(state && { state: { state } }) },
      });
      return answer.items;
    },

    async createContainer(podSandboxId, config, sandboxConfig) {
      const request = { podSandboxId, config, sandboxConfig };
      const answer = await runtime<{ containerId: string }>('CreateContainer', request, {
        timeoutMs: 240_000,
      });
      return answer.containerId;
    },
    async startContainer(id) {
      await runtime('StartContainer', { containerId: id }, { timeoutMs: 240_000 });
    },
    async stopContainer(id, timeoutSeconds) {
      const timeout = Math.max(0, Math.ceil(timeoutSeconds));
      await runtime(
        'StopContainer',
        { containerId: id, timeout },
        { timeoutMs: (timeout + 120) * 1000 },
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
        filter: containerFilter(filter),
      });
      return answer.containers;
    },
    async updateContainerResources(id, linux) {
      await runtime('UpdateContainerResources', { containerId: id, linux });
    },
    async reopenContainerLog(id) {
      await runtime('ReopenContainerLog', { containerId: id });
    },

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

    async listContainerStats(filter) {
      const { state: _, ...rest } = filter ?? {};
      const request = { filter: rest };
      return (await runtime<{ stats: ContainerStats[] }>('ListContainerStats', request)).stats;
    },

    listImages: async () => (await images<{ images: Image[] }>('ListImages', {})).images,
    imageStatus: async (image) =>
      (await images<{ image: Image | null }>('ImageStatus', { image })).image ?? undefined,
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
    imageFsInfo: async () =>
      (await images<{ imageFilesystems: FilesystemUsage[] }>('ImageFsInfo', {})).imageFilesystems,

    events: (signal, ready) => subscribeContainerdEvents(client, signal, ready),
    close: () => client.close(),
  };
}

function containerFilter(filter: ContainerFilter | undefined): object {
  const { state, ...rest } = filter ?? {};
  return { ...rest, ...(state && { state: { state } }) };
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof RuntimeError) || error.code !== 'NotFound') throw error;
}

interface Method {
  path: string;
  requestType: protobuf.Type;
  responseType: protobuf.Type;
}

const root = protobuf.Root.fromJSON(withCamelCaseFields(descriptor) as protobuf.INamespace);
const methods = new Map<string, Method>();

function methodOf(service: Service, name: string): Method {
  const key = `${service}/${name}`;
  let method = methods.get(key);
  if (!method) {
    const found = root.lookupService(`runtime.v1.${service}`).methods[name];
    if (!found) throw new Error(`CRI has no method ${key}`);
    method = {
      path: `/runtime.v1.${key}`,
      requestType: root.lookupType(`runtime.v1.${found.requestType}`),
      responseType: root.lookupType(`runtime.v1.${found.responseType}`),
    };
    methods.set(key, method);
  }
  return method;
}

/** The descriptor with its fields named as our types name them. */
function withCamelCaseFields(node: unknown): unknown {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return node;
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    out[key] =
      key === 'fields'
        ? Object.fromEntries(
            Object.entries(value as object).map(([name, field]) => [protobuf.util.camelCase(name), field]),
          )
        : withCamelCaseFields(value);
  }
  return out;
}
