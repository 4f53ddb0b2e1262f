/** Checks what a cluster needs from the machine, and says how to get what is missing. Changes nothing. */
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { succeeds } from '../../base/system/command.ts';
import { hostHasDefaultRoute } from '../network/link.ts';
import { cgroupHierarchies, isUnified } from '../node/cgroup.ts';
import { obstacleToRealNodes } from './machine.ts';
import { kubectlRequirement, missingRequirements, nodeRequirements, type Requirement } from './packages.ts';

export interface Finding {
  what: string;
  /** `bad` keeps a cluster from running; `poor` takes something from it. */
  verdict: 'good' | 'poor' | 'bad';
  detail: string;
  /** How to mend it. */
  mend?: string;
}

const gibibyte = 1024 ** 3;
const memoryNeededBytes = 1 * gibibyte;
const diskNeededBytes = 3 * gibibyte;
const inotifyInstancesNeeded = 256;

/** `dataPath`: where clusters will lie; it need not be there yet. */
export async function examine(dataPath: string): Promise<Finding[]> {
  return [
    rights(),
    ...(process.platform === 'linux' ? await examineLinux() : []),
    memory(),
    disk(dataPath),
    kubectl(),
  ];
}

async function examineLinux(): Promise<Finding[]> {
  return [
    ...nodeRequirements.map(packageFinding),
    cgroups(),
    filesystem('overlay', 'overlay filesystem', 'images are unpacked as copies, which takes space and time'),
    ...(await kernelFeatures()),
    inotify(),
    uplink(),
  ];
}

function rights(): Finding {
  const obstacle = obstacleToRealNodes();
  if (!obstacle)
    return { what: 'rights', verdict: 'good', detail: 'root, with the capabilities for namespaces' };
  return {
    what: 'rights',
    verdict: 'bad',
    detail: obstacle,
    mend: 'use sudo, or simulated nodes: wherry up --simulate',
  };
}

function packageFinding(requirement: Requirement): Finding {
  const isMissing = missingRequirements([requirement]).length > 0;
  const what = `package ${requirement.package}`;
  if (!isMissing) return { what, verdict: 'good', detail: requirement.purpose };
  return {
    what,
    verdict: 'bad',
    detail: `missing; it ${requirement.purpose}`,
    mend: `apt-get install ${requirement.package} (wherry up does it)`,
  };
}

function kubectl(): Finding {
  if (missingRequirements([kubectlRequirement]).length === 0)
    return { what: 'kubectl', verdict: 'good', detail: 'is on the search path' };
  return {
    what: 'kubectl',
    verdict: 'poor',
    detail: 'is not on the search path',
    mend: `apt-get install ${kubectlRequirement.package}, or a newer one from kubernetes.io`,
  };
}

function cgroups(): Finding {
  const hierarchies = cgroupHierarchies();
  const what = 'control groups';
  if (hierarchies.length === 0)
    return {
      what,
      verdict: 'bad',
      detail: 'none are mounted',
      mend: 'mount -t cgroup2 cgroup2 /sys/fs/cgroup',
    };
  const kind = isUnified(hierarchies)
    ? 'version 2'
    : hierarchies.some(({ version }) => version === 2)
      ? 'versions 1 and 2'
      : 'version 1';
  return { what, verdict: 'good', detail: kind };
}

function filesystem(name: string, what: string, loss: string): Finding {
  const isKnown = readFileSync('/proc/filesystems', 'utf8').split(/\s+/).includes(name);
  return isKnown
    ? { what, verdict: 'good', detail: 'is known to the kernel' }
    : { what, verdict: 'poor', detail: `is not known to the kernel: ${loss}`, mend: `modprobe ${name}` };
}

/** Tried out, in a temporary network namespace: what a kernel lists is not always what it does. */
const kernelTrials: readonly { what: string; script: string; mend: string }[] = [
  { what: 'network namespaces', script: 'true', mend: 'a kernel with CONFIG_NET_NS' },
  { what: 'bridges', script: 'ip link add b0 type bridge', mend: 'modprobe bridge' },
  { what: 'virtual cables', script: 'ip link add v0 type veth peer name v1', mend: 'modprobe veth' },
  {
    what: 'nftables with address translation',
    script: `nft 'add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade'`,
    mend: 'modprobe nf_tables nft_chain_nat nft_masq',
  },
];

async function kernelFeatures(): Promise<Finding[]> {
  if (obstacleToRealNodes()) return [];
  return await Promise.all(
    kernelTrials.map(async ({ what, script, mend }): Promise<Finding> => {
      const works = await succeeds('unshare', ['--net', '/bin/sh', '-c', script]);
      return works
        ? { what, verdict: 'good', detail: 'work' }
        : { what, verdict: 'bad', detail: 'do not work', mend };
    }),
  );
}

function inotify(): Finding {
  const file = '/proc/sys/fs/inotify/max_user_instances';
  const count = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  const what = 'file watchers';
  if (count >= inotifyInstancesNeeded) return { what, verdict: 'good', detail: `${count} at a time` };
  return {
    what,
    verdict: 'poor',
    detail: `only ${count} at a time; clusters of many nodes need more`,
    mend: 'sysctl fs.inotify.max_user_instances=512',
  };
}

function uplink(): Finding {
  const what = 'way out';
  if (hostHasDefaultRoute())
    return { what, verdict: 'good', detail: 'this machine has a default route; images can be pulled' };
  return {
    what,
    verdict: 'poor',
    detail: 'this machine has no default route: no image can be pulled from the internet',
    mend: 'load images from files: wherry image load FILE.tar',
  };
}

function memory(): Finding {
  const what = 'memory';
  const detail = `${(freemem() / gibibyte).toFixed(1)} of ${(totalmem() / gibibyte).toFixed(1)} GiB free`;
  if (freemem() >= memoryNeededBytes) return { what, verdict: 'good', detail };
  return { what, verdict: 'poor', detail, mend: 'a cluster with a few pods wants 1 GiB: end other programs' };
}

function disk(dataPath: string): Finding {
  let folder = dataPath;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  const what = 'disk';
  const detail = `${(freeBytes / gibibyte).toFixed(1)} GiB free below ${folder}`;
  if (freeBytes >= diskNeededBytes) return { what, verdict: 'good', detail };
  return {
    what,
    verdict: 'poor',
    detail,
    mend: 'images want room: free some, or set WHERRY_HOME to a larger disk',
  };
}
