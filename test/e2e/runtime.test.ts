/** The contract that the simulated runtime keeps, asked of the containerd of a real node whose agent is not there. */
import { join } from 'node:path';
import { after, before, suite } from 'node:test';
import { grpcRuntime } from '../../src/kubelet/cri/grpc-runtime.ts';
import { describeRuntimeContract } from '../../src/kubelet/cri/runtime.contract.ts';
import type { ContainerRuntime } from '../../src/kubelet/cri/runtime.ts';
import { writeBusyboxImage } from './images.ts';
import { TestCluster } from './test-cluster.ts';

const image = 'test.local/busybox:1';

suite('the real container runtime', () => {
  const cluster = new TestCluster();
  let runtime: ContainerRuntime;

  before(async () => {
    await cluster.up();
    const archive = join(cluster.home, 'busybox.tar');
    await writeBusyboxImage(archive, [image]);
    await cluster.wherry('image', 'load', archive);
    // From the registry of what was loaded: its settings are the node's, not those of the program that pulls.
    await cluster.wherry('image', 'pull', image);
    // The agent would clear away what it does not know, the supervisor would start another, the server another of those.
    for (const part of ['server', 'supervisor', 'wherry/agent']) process.kill(cluster.pidOf(part), 'SIGKILL');
    const nodeRoot = `/proc/${cluster.pidOf('wherry/holder')}/root`;
    runtime = grpcRuntime(join(nodeRoot, 'run/containerd/containerd.sock'));
  });
  after(async () => {
    runtime?.close();
    await cluster.delete();
  });

  describeRuntimeContract('containerd', async () => ({
    runtime,
    image,
    logDirectory: '/var/log/pods',
    settle: (promise) => promise,
  }));
});
