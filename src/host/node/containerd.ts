/** A node's own containerd: its configuration, its process, and whether it answers. */
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import type { NodeFolder } from '../data-folder.ts';
import { Failure } from '../failure.ts';
import {
  isRunning,
  type ProcessIdentity,
  runningProcess,
  startProcess,
  stopRecorded,
} from '../processes/process.ts';
import { useReserve } from './containerd-reserve.ts';
import { type NodeNamespace, nodePath, nodeSearchPath } from './node-namespace.ts';
import { everyRegistry } from './registries.ts';

/** As the node sees it. */
export const containerdSocket = '/run/containerd/containerd.sock';
export const cniConfigFolder = '/var/lib/cni/net.d';
export const cniPluginFolder = '/var/lib/cni/bin';
export const pauseImage = 'wherry.local/pause:1';

export interface ContainerdOptions {
  folder: NodeFolder;
  namespace: NodeNamespace;
  cgroupProcs: readonly string[];
  /** The process lacks CAP_SYS_RESOURCE: nothing may lower a score for the out-of-memory killer. */
  restrictOomScore: boolean;
  /** Folders with a `hosts.toml` per registry. */
  registryConfigFolder?: string;
  env?: NodeJS.ProcessEnv;
}

const overlayMagic = 0x794c7630;
/** Before it answers, containerd asks the shim of every container: with a hundred pods on a busy machine this takes long. */
const answerWaitMs = 60_000;
const stopGraceMs = 3000;

export const containerdRecordFile = (folder: NodeFolder) => join(folder.run, 'containerd.json');
export const containerdLogFile = (folder: NodeFolder) => join(folder.logs, 'containerd.log');

/**
 * Starts containerd, or adopts a running one with the same configuration. Containers of one that was killed, or had another
 * configuration, live on and are taken over.
 * @throws Failure when the disk is too full for that
 */
export async function ensureContainerd(options: ContainerdOptions): Promise<ProcessIdentity> {
  const { folder, namespace } = options;
  const recordFile = containerdRecordFile(folder);
  const configFile = join(folder.etc, 'containerd.toml');
  const config = containerdConfig(options);
  const running = runningProcess(recordFile);
  if (running && readFileSync(configFile, 'utf8') === config) return running;
  useReserve(folder);
  await stopRecorded(recordFile, stopGraceMs);
  writeFileSync(configFile, config);
  return await startProcess({
    command: 'containerd',
    args: ['--config', configFile],
    enterPid: namespace.holder.pid,
    cgroupProcs: options.cgroupProcs,
    logFile: containerdLogFile(folder),
    recordFile,
    // Like other programs, containerd leaves AppArmor alone in a container, which this variable tells of.
    env: {
      PATH: nodeSearchPath,
      ...(process.env.container && { container: process.env.container }),
      ...options.env,
    },
    cwd: '/',
  });
}

export function findContainerd(folder: NodeFolder): ProcessIdentity | undefined {
  return runningProcess(containerdRecordFile(folder));
}

/** The socket as a process of the host reaches it. */
export function containerdSocketOnHost(namespace: NodeNamespace): string {
  return nodePath(namespace, containerdSocket);
}

/**
 * Waits until `answers` says yes.
 * @throws Failure when containerd ends, or does not answer in time
 */
export async function waitForContainerd(
  containerd: ProcessIdentity,
  logFile: string,
  answers: () => Promise<boolean>,
  limitMs = answerWaitMs,
): Promise<void> {
  const { logStart } = containerd;
  const deadline = performance.now() + limitMs;
  while (!(await answers())) {
    if (!isRunning(containerd)) throw new Failure('containerd has ended', { logFile, logStart });
    if (performance.now() > deadline)
      throw new Failure(`containerd does not answer after ${limitMs / 1000} s`, { logFile, logStart });
    await systemClock.sleep(20);
  }
}

/** Every image is looked up in the mirror first; containerd reads this file for every pull. */
export function writeMirrorConfig(folder: string, mirror: string): void {
  mkdirSync(join(folder, everyRegistry), { recursive: true });
  const config = `[host."${mirror}"]\n  capabilities = ["pull", "resolve"]\n`;
  writeFileSync(join(folder, everyRegistry, 'hosts.toml'), config);
}

function containerdConfig(options: ContainerdOptions): string {
  const snapshotter = statfsSync(options.folder.varLib).type === overlayMagic ? 'native' : 'overlayfs';
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
# What no pod needs: other snapshotters, container runtimes of old, tracing.
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]

[grpc]
  address = "${containerdSocket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  restrict_oom_score_adj = ${options.restrictOomScore}
  # Limits of huge pages are set where the kernel can; without this line containerd leaves them out.
  disable_hugetlb_controller = false
  tolerate_missing_hugetlb_controller = true
  max_container_log_line_size = 16384
  # Those before 1.7 know neither and take no notice: the kubelet gives containers their CDI devices then.
  enable_cdi = true
  cdi_spec_dirs = ["/etc/cdi", "/var/run/cdi"]

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cniPluginFolder}"
    conf_dir = "${cniConfigFolder}"
    max_conf_num = 1

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "${snapshotter}"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
${options.registryConfigFolder ? `\n  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = "${options.registryConfigFolder}"\n` : ''}`;
}
