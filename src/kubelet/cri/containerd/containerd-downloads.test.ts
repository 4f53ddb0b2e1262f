import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { connectRuntime } from '../grpc-calls.ts';
import { bytesField, numberField, serveContainerd } from './containerd.fixture.ts';
import { listDownloads } from './containerd-downloads.ts';

test('what containerd is downloading for CRI is listed with its sizes', async () => {
  const status = Buffer.concat([bytesField(3, 'layer-sha256:a'), numberField(4, 1000), numberField(5, 3e9)]);
  const namespaces: unknown[] = [];
  using containerd = await serveContainerd({
    '/containerd.services.content.v1.Content/ListStatuses': (
      call: ServerUnaryCall<Buffer, Buffer>,
      done: sendUnaryData<Buffer>,
    ) => {
      namespaces.push(...call.metadata.get('containerd-namespace'));
      done(null, bytesField(1, status));
    },
  });
  const client = connectRuntime(containerd.socket);
  try {
    assert.deepEqual(await listDownloads(client), [
      { ref: 'layer-sha256:a', receivedBytes: 1000, totalBytes: 3e9 },
    ]);
    assert.deepEqual(namespaces, ['k8s.io']);
  } finally {
    client.close();
  }
});
