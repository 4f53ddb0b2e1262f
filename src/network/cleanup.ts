/**
 * Removes a node's network from the machine: what startCni, startProxy, startDns, startPolicy and startAnnouncer leave
 * in place on purpose when their process ends. For machines that stop being nodes; a namespace takes all of it with it.
 */
import { readLink } from './cni/link.ts';
import { overlayDevice, routeProtocol } from './cni/plan.ts';
import { createCommandRunner, type RunCommand } from './command.ts';
import { dnsTable } from './dns/address.ts';
import { addressLabel } from './load-balancer/link-addresses.ts';
import { policyTable } from './policy/table.ts';
import { tableName } from './proxy/skeleton.ts';

export async function removeNodeNetwork(options: {
  nodeAddress: string;
  dnsAddress: string;
  /** How to run `ip` and `nft`; directly when absent. */
  run?: RunCommand;
}): Promise<void> {
  const run = options.run ?? createCommandRunner();
  const tables = [tableName, policyTable, dnsTable];
  // Adding a table that exists changes nothing, and one that does not exist cannot be deleted.
  const text = tables.map((table) => `add table ip ${table}\ndelete table ip ${table}\n`).join('');
  await run('nft', ['-f', '-'], text);
  await run('ip', ['route', 'flush', 'proto', routeProtocol]);
  const links = JSON.parse(await run('ip', ['-j', 'link', 'show'])) as { ifname: string }[];
  if (links.some(({ ifname }) => ifname === overlayDevice)) await run('ip', ['link', 'del', overlayDevice]);
  const { device } = await readLink(run, options.nodeAddress);
  await run('ip', ['address', 'flush', 'dev', device, 'label', addressLabel(device)]);
  await run('ip', ['address', 'flush', 'dev', 'lo', 'to', `${options.dnsAddress}/32`]);
}
