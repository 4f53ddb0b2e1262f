import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { endAbandonedLeases } from './containerd-leases.ts';
import { connectRuntime } from './grpc-calls.ts';

const startedMs = Date.UTC(2026, 0, 1);

/** Length-delimited fields and numbers, as protobuf writes them. */
const bytes = (id: number, value: Buffer | string) => {
  const content = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([(id << 3) | 2, content.length]), content]);
};
const number = (id: number, value: number) => {
  const digits = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 128)) digits.push(rest % 128);
  return Buffer.from([
    id << 3,
    ...digits.map((digit, index) => digit + (index < digits.length - 1 ? 128 : 0)),
  ]);
};

function lease(
  id: string,
  atMs: number,
  labels: Record<string, string> = { 'containerd.io/gc.expire': 'x' },
) {
  const entries = Object.entries(labels).map(([key, value]) =>
    bytes(3, Buffer.concat([bytes(1, key), bytes(2, value)])),
  );
  return Buffer.concat([bytes(1, id), bytes(2, number(1, atMs / 1000)), ...entries]);
}

test('leases of operations from before containerd began are ended, the last one with a collection', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-leases-'));
  const socket = join(folder, 'socket');
  const leases = [
    lease('before', startedMs - 60_000),
    lease('long before', startedMs - 86_400_000),
    lease('since', startedMs + 1000),
    lease('lasting', startedMs - 60_000, { owner: 'somebody' }),
  ];
  const deleted: string[] = [];
  const namespaces = new Set<unknown>();
  const server = new Server();
  const raw = {
    requestStream: false,
    responseStream: false,
    requestSerialize: Buffer.from,
    responseSerialize: (b: Buffer) => b,
    requestDeserialize: (b: Buffer) => b,
    responseDeserialize: (b: Buffer) => b,
  };
  const path = (method: string) => `/containerd.services.leases.v1.Leases/${method}`;
  const handle =
    (answer: (request: Buffer) => Buffer) =>
    (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
      namespaces.add(call.metadata.get('containerd-namespace')[0]);
      done(null, answer(call.request));
    };
  server.addService(
    { list: { path: path('List'), ...raw }, delete: { path: path('Delete'), ...raw } },
    {
      list: handle(() => Buffer.concat(leases.map((each) => bytes(1, each)))),
      delete: handle((request) => {
        deleted.push(request.toString('latin1'));
        return Buffer.alloc(0);
      }),
    },
  );
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  utimesSync(socket, startedMs / 1000, startedMs / 1000);
  const client = connectRuntime(socket);
  try {
    assert.equal(await endAbandonedLeases(client, socket), 2);
    assert.deepEqual(deleted, [
      `${bytes(1, 'before').toString('latin1')}\x10\x00`,
      `${bytes(1, 'long before').toString('latin1')}\x10\x01`,
    ]);
    assert.deepEqual([...namespaces], ['k8s.io']);
  } finally {
    client.close();
    server.forceShutdown();
    rmSync(folder, { recursive: true });
  }
});
