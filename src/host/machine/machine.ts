/** What this machine is and allows, read once per command. */
import { readFileSync } from 'node:fs';
import { type CgroupHierarchy, cgroupHierarchies } from '../node/cgroup.ts';

export interface Machine {
  cgroups: readonly CgroupHierarchy[];
  /** May lower a process's score for the out-of-memory killer, raise limits, and so on. */
  hasResourceCapability: boolean;
}

const capabilityBits = { netAdmin: 12n, sysAdmin: 21n, sysResource: 24n };

export function inspectMachine(): Machine {
  return {
    cgroups: cgroupHierarchies(),
    hasResourceCapability: hasCapability('sysResource'),
  };
}

/** What keeps real nodes from running here at all; undefined when nothing does. */
export function obstacleToRealNodes(): string | undefined {
  if (process.platform !== 'linux') return `real nodes need Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'real nodes need root (namespaces, mounts, control groups)';
  const missing = (['netAdmin', 'sysAdmin'] as const).filter((name) => !hasCapability(name));
  if (missing.length > 0)
    return 'real nodes need the capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN (in a container: --privileged)';
  return undefined;
}

function hasCapability(name: keyof typeof capabilityBits): boolean {
  const status = readFileSync('/proc/self/status', 'latin1');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  return ((effective >> capabilityBits[name]) & 1n) === 1n;
}
