/** Routes to the pods of this node. The plugin sets them; what else takes them away, such as a flush, is undone here. */
import { readdir, readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { ifMissing } from '../../base/system/if-missing.ts';
import type { RunCommand } from '../command.ts';

/** As many characters of a sandbox's id are in the name of its interface. */
const idCharsInName = 8;

/** By the plugin's leases: a file per address, whose first line is the id of the sandbox that has it. */
export async function restoreOwnPodRoutes(run: RunCommand, leasesFolder: string): Promise<void> {
  const addresses = (await readdir(leasesFolder).catch(ifMissing<string[]>([]))).filter((name) =>
    isIPv4(name),
  );
  if (addresses.length === 0) return;
  interface Listed {
    ifname: string;
  }
  const links = JSON.parse(await run('ip', ['-j', 'link', 'show'])) as Listed[];
  const present = new Set(links.map(({ ifname }) => ifname));
  const lines: string[] = [];
  for (const address of addresses) {
    const lease = await readFile(join(leasesFolder, address), 'latin1').catch(ifMissing(''));
    const device = `veth${lease.slice(0, idCharsInName)}`;
    // A pod that ends loses its interface first, and its address after that.
    if (present.has(device)) lines.push(`route replace ${address}/32 dev ${device} scope host\n`);
  }
  await run('ip', ['-force', '-batch', '-'], lines.join(''));
}
