/** Against a real runtime, where WHERRY_TEST_CRI_SOCKET names one (with WHERRY_TEST_CRI_IMAGE in it). */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { grpcRuntime } from './grpc-runtime.ts';
import { describeRuntimeContract } from './runtime.contract.ts';

const socket = process.env.WHERRY_TEST_CRI_SOCKET;
if (socket) {
  const runtime = grpcRuntime(socket);
  const logDirectory = mkdtempSync(join(tmpdir(), 'wherry-kubelet-cri-'));
  after(() => {
    runtime.close();
    rmSync(logDirectory, { recursive: true });
  });
  describeRuntimeContract('cri', async () => ({
    runtime,
    image: process.env.WHERRY_TEST_CRI_IMAGE ?? 'docker.io/library/busybox:1.29',
    logDirectory,
    settle: (promise) => promise,
  }));
}
