/** A pod's files on the node beside its volumes: logs, hosts file, termination messages. */
import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import { removeTree } from '../../base/system/remove-tree.ts';
import type { ContainerStatus } from '../cri/messages.ts';
import type { ContainerFiles, PodFiles } from '../machine.ts';
import { annotations } from '../pod/pod-observation.ts';
import { readLastLogLines } from '../server/logs/log-reader.ts';
import { parseResolverConfig, type ResolverConfig } from '../spec/dns-config.ts';
import { podLogFolder } from '../spec/sandbox-config.ts';
import { mountsBelow } from './mounts.ts';

/** Limits of a termination message, upstream's. */
const messageMaxBytes = 4096;
const logMessageMaxBytes = 2048;
const logMessageMaxLines = 80;

export class LinuxPodFiles implements PodFiles {
  readonly podLogsDir: string;
  readonly #podsDir: string;
  readonly #resolvConf: string;

  constructor(options: { rootDir: string; podLogsDir: string; resolvConf: string }) {
    this.podLogsDir = options.podLogsDir;
    this.#podsDir = join(options.rootDir, 'pods');
    this.#resolvConf = options.resolvConf;
  }

  async preparePod(pod: Pod): Promise<void> {
    await Promise.all([
      mkdir(join(this.#podsDir, pod.metadata.uid), { recursive: true, mode: 0o750 }),
      mkdir(join(this.podLogsDir, podLogFolder(pod)), { recursive: true, mode: 0o755 }),
    ]);
  }

  async writeHosts(pod: Pod, text: string): Promise<string> {
    const path = join(this.#podsDir, pod.metadata.uid, 'etc-hosts');
    // Overwritten in place: running containers have this very file mounted.
    if ((await readFile(path, 'utf8').catch(ifMissing(undefined))) !== text) {
      await mkdir(join(this.#podsDir, pod.metadata.uid), { recursive: true, mode: 0o750 });
      await writeFile(path, text, { mode: 0o644 });
    }
    return path;
  }

  async prepareContainer(pod: Pod, container: core.Container, attemptId: string): Promise<ContainerFiles> {
    await mkdir(join(this.podLogsDir, podLogFolder(pod), container.name), { recursive: true, mode: 0o755 });
    if (!container.terminationMessagePath) return {};
    const folder = join(this.#podsDir, pod.metadata.uid, 'containers', container.name);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const path = join(folder, attemptId);
    const file = await open(path, 'a');
    // Writable for whichever user the container runs as.
    await file.chmod(0o666);
    await file.close();
    return { terminationLog: path };
  }

  async terminationMessage(status: ContainerStatus): Promise<string | undefined> {
    const path = status.annotations[annotations.terminationMessagePath];
    const policy = status.annotations[annotations.terminationMessagePolicy];
    const mount = path ? status.mounts.find(({ containerPath }) => containerPath === path) : undefined;
    let written = '';
    try {
      if (mount) written = await readTail(mount.hostPath, messageMaxBytes);
    } catch (error) {
      // A volume with arbitrary content may be mounted there.
      return `Error on reading termination log ${mount?.hostPath}: ${(error as Error).message}`;
    }
    if (written) return written;
    const failed =
      status.exitCode !== 0 && policy === 'FallbackToLogsOnError' && status.reason !== 'ContainerCannotRun';
    if (!failed || !status.logPath) return undefined;
    const lines = await readLastLogLines(status.logPath, logMessageMaxLines, logMessageMaxBytes).catch(
      () => '',
    );
    return lines || undefined;
  }

  /** Read each time: a machine that changes its network gets other name servers. */
  async hostResolver(): Promise<ResolverConfig> {
    return parseResolverConfig(await readFile(this.#resolvConf, 'utf8').catch(ifMissing('')));
  }

  async hostHosts(): Promise<string> {
    return readFile('/etc/hosts', 'utf8').catch(ifMissing('127.0.0.1\tlocalhost\n'));
  }

  async removePod(uid: string): Promise<void> {
    const folder = join(this.#podsDir, uid);
    // Volumes are not followed: their content must not be deleted.
    const [mounted] = await mountsBelow(folder);
    if (mounted !== undefined) throw new Error(`${mounted} is still mounted`);
    await removeTree(folder);
    for (const name of await readdir(this.podLogsDir).catch(ifMissing([])))
      if (name.endsWith(`_${uid}`)) await removeTree(join(this.podLogsDir, name));
  }

  async writableLayers(): Promise<ReadonlyMap<string, string>> {
    return parseWritableLayers(await readFile('/proc/self/mountinfo', 'utf8'));
  }

  async listPods(): Promise<string[]> {
    const uids = new Set(await readdir(this.#podsDir).catch(ifMissing([])));
    for (const name of await readdir(this.podLogsDir).catch(ifMissing([]))) {
      const uid = name.split('_')[2];
      if (uid) uids.add(uid);
    }
    return [...uids];
  }

  async removeContainerLog(logPath: string): Promise<void> {
    await rm(logPath, { force: true });
    const folder = logPath.slice(0, logPath.lastIndexOf('/'));
    const base = logPath.slice(folder.length + 1);
    for (const name of await readdir(folder).catch(ifMissing([])))
      if (name.startsWith(`${base}.`)) await rm(join(folder, name), { force: true });
  }
}

/** From a `mountinfo`: overlays on `…/CONTAINER-ID/rootfs`. */
export function parseWritableLayers(mountinfo: string): Map<string, string> {
  const layers = new Map<string, string>();
  for (const line of mountinfo.split('\n')) {
    const id = /\/([0-9a-f]{64})\/rootfs .* - overlay /.exec(line)?.[1];
    const folder = /[ ,]upperdir=([^, ]+)/.exec(line)?.[1];
    if (id && folder) layers.set(id, folder);
  }
  return layers;
}

/** The end of a file up to a limit, as text. */
async function readTail(path: string, limitBytes: number): Promise<string> {
  // A pipe is not waited for.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(ifMissing(undefined));
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const length = Math.min(size, limitBytes);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, Math.max(0, size - length));
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}
