/**
 * The way out of a cluster's nodes through the host: address translation in one nft table of the cluster's own. Packets for
 * its services and pods have no business out there: none should come so far, and those that do are counted and dropped.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { run, succeeds } from '../../base/system/command.ts';
import type { ClusterLink } from './link.ts';

const forwardingFile = '/proc/sys/net/ipv4/ip_forward';

const tableName = (link: ClusterLink) => `wherry_${link.bridge.replace(/[^a-z0-9]/g, '_')}`;

/**
 * Stands in the table of every cluster that came while the host forwarded packets for Wherry's sake alone, so that the
 * last one to go knows that it is to put the host back: clusters of other data folders are not known otherwise.
 */
const forwardingMark = 'wherry_started_forwarding';

/** `inside`: ranges of addresses that mean something in the cluster only. */
export async function openUplink(link: ClusterLink, inside: readonly string[]): Promise<void> {
  const isForwarding = readFileSync(forwardingFile, 'utf8').trim() === '1';
  const isOurs = !isForwarding || (await someClusterStartedForwarding());
  const table = tableName(link);
  await run('nft', ['-f', '-'], {
    input: `table ip ${table}
delete table ip ${table}
table ip ${table} {
  counter leaked { }
  chain stay-inside {
    type filter hook forward priority filter;
    iifname "${link.bridge}" oifname != "${link.bridge}" ip daddr { ${inside.join(', ')} } counter name leaked drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr ${link.subnet}.0/24 oifname != "${link.bridge}" masquerade
  }
${isOurs ? `  chain ${forwardingMark} {\n  }\n` : ''}}
`,
  });
  if (!isForwarding) writeFileSync(forwardingFile, '1');
}

/** The host stops to forward packets with the last cluster that made it do so. */
export async function closeUplink(link: ClusterLink): Promise<void> {
  const wasOurs = await someClusterStartedForwarding();
  await succeeds('nft', ['delete', 'table', 'ip', tableName(link)]);
  if (wasOurs && !(await someClusterStartedForwarding())) writeFileSync(forwardingFile, '0');
}

async function someClusterStartedForwarding(): Promise<boolean> {
  return (await run('nft', ['list', 'chains', 'ip'])).includes(`chain ${forwardingMark} `);
}
