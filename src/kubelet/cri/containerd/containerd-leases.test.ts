import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { test } from 'node:test';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { connectRuntime } from '../grpc-calls.ts';
import { bytesField, numberField, serveContainerd } from './containerd.fixture.ts';
import { endAbandonedLeases } from './containerd-leases.ts';

const startedMs = Date.UTC(2026, 0, 1);

function lease(
  id: string,
  atMs: number,
  labels: Record<string, string> = { 'containerd.io/gc.expire': 'x' },
) {
  const entries = Object.entries(labels).map(([key, value]) =>
    bytesField(3, Buffer.concat([bytesField(1, key), bytesField(2, value)])),
  );
  return Buffer.concat([bytesField(1, id), bytesField(2, numberField(1, atMs / 1000)), ...entries]);
}

test('leases of operations from before containerd began are ended, the last one with a collection', async () => {
  const leases = [
    lease('before', startedMs - 60_000),
    lease('long before', startedMs - 86_400_000),
    lease('since', startedMs + 1000),
    lease('lasting', startedMs - 60_000, { owner: 'somebody' }),
  ];
  const deleted: string[] = [];
  const namespaces = new Set<unknown>();
  const handle =
    (answer: (request: Buffer) => Buffer) =>
    (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
      namespaces.add(call.metadata.get('containerd-namespace')[0]);
      done(null, answer(call.request));
    };
  using containerd = await serveContainerd({
    '/containerd.services.leases.v1.Leases/List': handle(() =>
      Buffer.concat(leases.map((each) => bytesField(1, each))),
    ),
    '/containerd.services.leases.v1.Leases/Delete': handle((request) => {
      deleted.push(request.toString('latin1'));
      return Buffer.alloc(0);
    }),
  });
  utimesSync(containerd.socket, startedMs / 1000, startedMs / 1000);
  const client = connectRuntime(containerd.socket);
  try {
    assert.equal(await endAbandonedLeases(client, containerd.socket), 2);
    assert.deepEqual(deleted, [
      `${bytesField(1, 'before').toString('latin1')}\x10\x00`,
      `${bytesField(1, 'long before').toString('latin1')}\x10\x01`,
    ]);
    assert.deepEqual([...namespaces], ['k8s.io']);
  } finally {
    client.close();
  }
});
