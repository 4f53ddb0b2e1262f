/** A stand-in for containerd's own services: a gRPC server on a socket, and messages as protobuf writes them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, type UntypedHandleCall } from '@grpc/grpc-js';
import { listenOnSocket } from '../../grpc/socket-server.ts';

export interface FakeContainerd extends Disposable {
  socket: string;
}

/** `handlers`: by the path of the method; those named in `streaming` answer with a stream. Messages are bytes. */
export async function serveContainerd(
  handlers: Record<string, UntypedHandleCall>,
  { streaming = [] }: { streaming?: readonly string[] } = {},
): Promise<FakeContainerd> {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-containerd-'));
  const socket = join(folder, 'socket');
  const server = new Server();
  const asIs = (message: Buffer) => message;
  const methods = Object.keys(handlers).map((path) => ({
    path,
    requestStream: false,
    responseStream: streaming.includes(path),
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }));
  server.addService(Object.fromEntries(methods.map((method) => [method.path, method])), handlers);
  await listenOnSocket(server, socket);
  return {
    socket,
    [Symbol.dispose]() {
      server.forceShutdown();
      rmSync(folder, { recursive: true });
    },
  };
}

/** A length-delimited field: text, bytes or a message. */
export function bytesField(id: number, value: Buffer | string): Buffer {
  const content = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([(id << 3) | 2]), varint(content.length), content]);
}

export function numberField(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([id << 3]), varint(value)]);
}

function varint(value: number): Buffer {
  const digits: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) digits.push((rest % 128) + 128);
  return Buffer.from([...digits, rest]);
}
