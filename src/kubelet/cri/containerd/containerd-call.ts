/** Calls of containerd's own services, on the socket that also serves CRI. */
import { type Client, Metadata, type ServiceError } from '@grpc/grpc-js';
import type protobuf from 'protobufjs';
import { asRuntimeError } from '../runtime-error.ts';

const timeoutMs = 30_000;

export interface ContainerdMethod {
  /** `/containerd.services…/Method` */
  path: string;
  request: protobuf.Type;
  response: protobuf.Type;
}

/** In the namespace of CRI. @throws RuntimeError */
export function callContainerd<Answer>(
  client: Client,
  { path, request, response }: ContainerdMethod,
  message: object,
): Promise<Answer> {
  const metadata = new Metadata();
  metadata.set('containerd-namespace', 'k8s.io');
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      (value: object) => Buffer.from(request.encode(value).finish()),
      (bytes: Buffer) =>
        response.toObject(response.decode(bytes), {
          longs: Number,
          defaults: true,
          arrays: true,
          objects: true,
        }),
      message,
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error: ServiceError | null, answer?: object) =>
        error ? reject(asRuntimeError(error)) : resolve(answer as Answer),
    );
  });
}
