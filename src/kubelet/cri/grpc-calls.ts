/** Calls of the Container Runtime Interface over gRPC: finds a method in the descriptor, encodes, sends, decodes. */
import { Client, credentials, type CallOptions as GrpcCallOptions } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { asRuntimeError, RuntimeError } from './runtime-error.ts';
import descriptor from './runtime-v1.protobuf.json' with { type: 'json' };

/** A list of images, or of a thousand containers with their labels, is a few megabytes. */
const messageSizeMaxBytes = 64 * 1024 * 1024;

const toPlain: protobuf.IConversionOptions = {
  longs: Number,
  enums: String,
  defaults: true,
  arrays: true,
  objects: true,
};

type Service = 'RuntimeService' | 'ImageService';

export interface CallOptions {
  /** Infinity: no limit. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** One call. @throws RuntimeError */
export type Call = <Answer = unknown>(
  method: string,
  request: object,
  options?: CallOptions,
) => Promise<Answer>;

export function connectRuntime(socketPath: string): Client {
  return new Client(`unix://${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': messageSizeMaxBytes,
    'grpc.max_send_message_length': messageSizeMaxBytes,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1000,
  });
}

/** `usualTimeoutMs`: for calls that give no timeout. */
export function callsOf(client: Client, service: Service, usualTimeoutMs: number): Call {
  return <Answer>(
    methodName: string,
    request: object,
    { timeoutMs = usualTimeoutMs, signal }: CallOptions = {},
  ) => {
    const { path, requestType, responseType } = methodOf(service, methodName);
    return new Promise<Answer>((resolve, reject) => {
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
  };
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
