import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { grpcRuntime } from './grpc-runtime.ts';

test('a runtime that hangs is not waited for forever', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-cri-'));
  const socket = join(folder, 'socket');
  const silent = http2.createServer().listen(socket);
  await once(silent, 'listening');
  const runtime = grpcRuntime(socket, { timeoutMs: 50 });
  try {
    await assert.rejects(runtime.listContainers(), { code: 'DeadlineExceeded' });
  } finally {
    runtime.close();
    silent.close();
    rmSync(folder, { recursive: true });
  }
});
