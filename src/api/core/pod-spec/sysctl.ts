/** Names of kernel parameters, which may be written with dots or with slashes between their parts, and who has them. */

/**
 * The first separator decides which form it is; the other character is then part of a name: `net/ipv4/conf/eth0.1/x`.
 */
export function dottedSysctl(name: string): string {
  if (name[name.search(/[./]/)] !== '/') return name;
  return name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}

const ofIpc = new Set([
  'kernel.sem',
  ...['all', 'max', 'mni', '_rmid_forced', ''].map((which) => `kernel.shm${which}`),
  ...['max', 'mnb', 'mni', ''].map((which) => `kernel.msg${which}`),
]);

/**
 * The namespace of the host that a pod shares and that has the parameter, whatever its form: the parameter would be
 * set for the whole node.
 */
export function hostNamespaceOfSysctl(
  name: string,
  { hostNetwork, hostIPC }: { hostNetwork?: boolean; hostIPC?: boolean },
): 'Net' | 'IPC' | undefined {
  const dotted = dottedSysctl(name);
  if (hostNetwork && dotted.startsWith('net.')) return 'Net';
  if (hostIPC && (ofIpc.has(dotted) || dotted.startsWith('fs.mqueue.'))) return 'IPC';
  return undefined;
}
