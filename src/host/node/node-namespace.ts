/**
 * A separate node on this machine: network, mount, UTS and pid namespaces around a process that only holds them.
 * Inside, /run is fresh, /var/lib and /var/log are the node's own folders, and everything else is the machine's. When
 * the holder ends, the kernel ends every process of the node and removes its mounts and interfaces.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, run } from '../../base/system/command.ts';
import type { NodeFolder } from '../data-folder.ts';
import {
  type ProcessIdentity,
  processIdentity,
  recordProcess,
  runningProcess,
  stopProcess,
} from '../processes/process.ts';

export interface NodeNamespace {
  holder: ProcessIdentity;
  /** Words to put before a command to run it inside. */
  enter: readonly string[];
  /** The node's `/` as seen from the host. */
  root: string;
}

export interface NodeNamespaceOptions {
  name: string;
  folder: NodeFolder;
  /** Folders that stay visible at their own paths although they lie below /run, /var/lib or /var/log. */
  visible: readonly string[];
  /** Lines for the node's /etc/hosts, besides localhost. */
  hosts: readonly { address: string; names: readonly string[] }[];
  /** The node's /etc/resolv.conf. */
  resolvConf: string;
  cgroupProcs: readonly string[];
  /** False: the node shares the network of the process that creates it. */
  ownNetwork?: boolean;
}

/** Where programs of a node are looked for. */
export const nodeSearchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const holderRecordFile = (folder: NodeFolder) => join(folder.run, 'holder.json');

/** The node's namespaces, if their holder runs. A killed holder still exists for a while, but without them. */
export function findNodeNamespace(folder: NodeFolder): NodeNamespace | undefined {
  const holder = runningProcess(holderRecordFile(folder));
  return holder && hasNamespaces(holder) ? namespaceOf(holder) : undefined;
}

function hasNamespaces(holder: ProcessIdentity): boolean {
  try {
    readlinkSync(`/proc/${holder.pid}/ns/net`);
    return true;
  } catch {
    // It is gone, or another user's: no process that holds a node of ours.
    return false;
  }
}

/** Updates the node's /etc/hosts in place, as it is mounted. */
export function writeHostsFile(options: Pick<NodeNamespaceOptions, 'folder' | 'name' | 'hosts'>): void {
  writeFileSync(join(options.folder.etc, 'hosts'), hostsFile(options));
}

export async function createNodeNamespace(options: NodeNamespaceOptions): Promise<NodeNamespace> {
  const { folder } = options;
  for (const path of [folder.varLib, folder.varLog, folder.etc, folder.logs, folder.run])
    mkdirSync(path, { recursive: true });
  writeHostsFile(options);
  writeFileSync(join(folder.etc, 'resolv.conf'), options.resolvConf);
  writeFileSync(join(folder.etc, 'hostname'), `${options.name}\n`);

  const holder = await startHolder(options);
  recordProcess(holderRecordFile(folder), holder);
  return namespaceOf(holder);
}

/** Ends everything in the node; returns when all of it is gone. */
export async function destroyNodeNamespace(folder: NodeFolder): Promise<void> {
  const holder = runningProcess(holderRecordFile(folder));
  // The first process of a pid namespace takes no other signal from outside, and is gone only after all others are.
  if (holder) await stopProcess(holder, 0);
  rmSync(holderRecordFile(folder), { force: true });
}

/** Runs a program inside to its end. @throws CommandError */
export function runInNode(
  namespace: NodeNamespace,
  command: readonly string[],
  options?: Parameters<typeof run>[2],
): Promise<string> {
  const [first, ...rest] = [...namespace.enter, ...command];
  return run(first!, rest, options);
}

function namespaceOf(holder: ProcessIdentity): NodeNamespace {
  return {
    holder,
    enter: ['nsenter', '--mount', '--uts', '--net', '--pid', '--target', String(holder.pid), '--'],
    root: `/proc/${holder.pid}/root`,
  };
}

function hostsFile({ name, hosts }: Pick<NodeNamespaceOptions, 'name' | 'hosts'>): string {
  const lines = [
    '127.0.0.1 localhost',
    '::1 localhost ip6-localhost ip6-loopback',
    `127.0.1.1 ${name}`,
    ...hosts.map(({ address, names }) => `${address} ${names.join(' ')}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Runs as the first process of the new namespaces; what it prints is its pid as the host sees it. */
const holderScript = `set -eu
for file in $CGROUP_PROCS; do echo 0 >"$file"; done
read -r pid rest </proc/self/stat
own() { # own FOLDER OVER: mounts FOLDER over OVER; what must stay visible below OVER is bound into FOLDER first
  for path in $VISIBLE; do
    case $path/ in "$2"/*) mkdir -p "$1\${path#"$2"}"; mount --rbind "$path" "$1\${path#"$2"}";; esac
  done
  mount --rbind "$1" "$2"
}
mount -t proc -o nosuid,nodev,noexec proc /proc
mkdir -p "$NODE/run-mount" "$NODE/var-log/pods" "$NODE/var-log/containers" "$NODE/var-lib/kubelet" "$NODE/var-lib/cni"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$NODE/run-mount"
mkdir -p "$NODE/run-mount/lock" "$NODE/run-mount/netns" "$NODE/run-mount/containerd"
own "$NODE/var-lib" /var/lib
own "$NODE/var-log" /var/log
[ ! -e /etc/hosts ] || mount --bind "$NODE/etc/hosts" /etc/hosts
[ ! -e /etc/hostname ] || mount --bind "$NODE/etc/hostname" /etc/hostname
resolv=$(readlink -f /etc/resolv.conf || true)
own "$NODE/run-mount" /run
case $resolv in /run/*) mkdir -p "\${resolv%/*}"; [ -e "$resolv" ] || : >"$resolv";; esac
[ ! -e "$resolv" ] || mount --bind "$NODE/etc/resolv.conf" "$resolv"
mount --make-rshared /
hostname "$NAME"
ip link set lo up
set +e
for pair in net/ipv4/ip_forward=1 net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/default/rp_filter=0 \\
  net/ipv4/conf/all/route_localnet=1 net/ipv6/conf/all/forwarding=1 net/bridge/bridge-nf-call-iptables=1; do
  [ ! -e "/proc/sys/\${pair%%=*}" ] || echo "\${pair#*=}" >"/proc/sys/\${pair%%=*}"
done
echo "$pid"
# Children that other processes leave behind are reaped by the kernel when the first process ignores their end. Not by
# \`trap\`: dash takes it for this signal and does nothing.
exec env --ignore-signal=CHLD sleep infinity >/dev/null 2>&1
`;

async function startHolder(options: NodeNamespaceOptions): Promise<ProcessIdentity> {
  const child = spawn(
    'unshare',
    [
      '--mount',
      '--uts',
      ...(options.ownNetwork === false ? [] : ['--net']),
      '--pid',
      '--fork',
      '--propagation',
      'slave',
      '/bin/sh',
      '-c',
      holderScript,
    ],
    {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: {
        PATH: nodeSearchPath,
        NAME: options.name,
        NODE: realpathSync(options.folder.path),
        VISIBLE: options.visible.map((path) => realpathSync(path)).join(' '),
        CGROUP_PROCS: options.cgroupProcs.join(' '),
      },
    },
  );
  child.unref();
  const complaints: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
  const output = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
    child.once('close', () => resolve(''));
  });
  // `unshare` only waits for the holder, which needs no parent.
  child.kill('SIGKILL');
  child.stdout.destroy();
  child.stderr.destroy();
  const holder = output === '' ? undefined : processIdentity(Number(output));
  if (!holder) {
    const detail = Buffer.concat(complaints).toString();
    throw new CommandError(`node ${options.name}: making its namespaces`, 'the holder ended', detail);
  }
  return holder;
}

/** A path of the node as the host reaches it; for sockets that services of the node listen on. */
export function nodePath(namespace: NodeNamespace, path: string): string {
  return join(namespace.root, path);
}
