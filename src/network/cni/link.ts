/** The interface by which a node reaches the others. */
import { ipv4ToNumber } from '../../base/text/ipv4.ts';
import type { RunCommand } from '../command.ts';

export interface Link {
  device: string;
  mtuBytes: number;
  isOnLink(address: string): boolean;
}

/** @throws Error when no interface has the address */
export async function readLink(run: RunCommand, nodeAddress: string): Promise<Link> {
  interface Listed {
    ifname: string;
    mtu: number;
    addr_info: { family: string; local: string; prefixlen: number }[];
  }
  const links = JSON.parse(await run('ip', ['-j', 'address', 'show'])) as Listed[];
  for (const { ifname, mtu, addr_info } of links) {
    const own = addr_info.find(({ family, local }) => family === 'inet' && local === nodeAddress);
    if (!own) continue;
    const mask = own.prefixlen === 0 ? 0 : (-1 << (32 - own.prefixlen)) >>> 0;
    const network = (ipv4ToNumber(nodeAddress) & mask) >>> 0;
    return {
      device: ifname,
      mtuBytes: mtu,
      isOnLink: (address) => (ipv4ToNumber(address) & mask) >>> 0 === network,
    };
  }
  throw new Error(`no interface of this node has the address ${nodeAddress}`);
}
