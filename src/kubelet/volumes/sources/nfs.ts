/** nfs volumes: mounted with the node's own helper; if one is missing, the event says which and how to install it. */
import { access, mkdir, readFile } from 'node:fs/promises';
import type { NFSVolumeSource } from '../../../api/types/core-v1.gen.ts';
import { isMounted, mountFileSystem } from '../../linux/mounts.ts';

/** @throws Error in upstream's words, with what the node lacks */
export async function mountNfs(
  { server, path, readOnly }: NFSVolumeSource,
  folder: string,
  mountOptions: readonly string[] = [],
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o750 });
  if (await isMounted(folder)) return;
  const options = [...mountOptions, ...(readOnly ? ['ro'] : [])];
  // An IPv6 address contains colons itself.
  const host = server.includes(':') && !server.startsWith('[') ? `[${server}]` : server;
  try {
    await mountFileSystem({ source: `${host}:${path}`, target: folder, fsType: 'nfs', options });
  } catch (error) {
    const lacking = describeLack(await lookAtNode());
    throw new Error([(error as Error).message, ...lacking].join('\n'), { cause: error });
  }
}

export interface NfsSupport {
  hasHelper: boolean;
  hasFileSystem: boolean;
}

/** One sentence for each missing prerequisite of nfs volumes. */
export function describeLack({ hasHelper, hasFileSystem }: NfsSupport): string[] {
  return [
    ...(hasHelper
      ? []
      : ['the node has no mount.nfs; install it (apt-get install nfs-common), and the pod starts']),
    ...(hasFileSystem ? [] : ["the node's kernel has no nfs (modprobe nfs loads it where it is a module)"]),
  ];
}

async function lookAtNode(): Promise<NfsSupport> {
  const helpers = ['/sbin/mount.nfs', '/usr/sbin/mount.nfs'].map((file) =>
    access(file).then(
      () => true,
      () => false,
    ),
  );
  const fileSystems = await readFile('/proc/filesystems', 'utf8');
  return {
    hasHelper: (await Promise.all(helpers)).includes(true),
    hasFileSystem: /\tnfs4?$/m.test(fileSystems),
  };
}
