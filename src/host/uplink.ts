/** The way out of a cluster's nodes through the host: address translation in one nft table of the cluster's own. */
import { readFileSync, writeFileSync } from 'node:fs';
import { run, succeeds } from './command.ts';
import type { ClusterLink } from './link.ts';

const forwardingFile = '/proc/sys/net/ipv4/ip_forward';

const tableName = (link: ClusterLink) => `wherry_${link.bridge.replace(/[^a-z0-9]/g, '_')}`;

/** @returns true when the host did not forward packets before, and does now */
export async function openUplink(link: ClusterLink): Promise<boolean> {
  const table = tableName(link);
  await run('nft', ['-f', '-'], {
    input: `table ip ${table}
delete table ip ${table}
table ip ${table} {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr ${link.subnet}.0/24 oifname != "${link.bridge}" masquerade
  }
}
`,
  });
  if (readFileSync(forwardingFile, 'utf8').trim() === '1') return false;
  writeFileSync(forwardingFile, '1');
  return true;
}

export async function closeUplink(link: ClusterLink, stopForwarding: boolean): Promise<void> {
  await succeeds('nft', ['delete', 'table', 'ip', tableName(link)]);
  if (stopForwarding) writeFileSync(forwardingFile, '0');
}
