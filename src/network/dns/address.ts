/** The service address of cluster DNS on the node's loopback interface, and how the kernel treats queries to it. */
import type { RunCommand } from '../command.ts';

export const dnsTable = 'wherry-dns';

/**
 * Queries are answered on the node itself, so the kernel need not track them as connections. While no process listens,
 * because it is being replaced, the kernel does not refuse them either: clients retry on their own, and a refusal would
 * stop them.
 */
export async function takeDnsAddress(run: RunCommand, address: string, port: number): Promise<void> {
  await run('ip', ['address', 'replace', `${address}/32`, 'dev', 'lo', 'scope', 'global']);
  await run(
    'nft',
    ['-f', '-'],
    `add table ip ${dnsTable}
delete table ip ${dnsTable}
table ip ${dnsTable} {
  chain questions { type filter hook prerouting priority raw; ip daddr ${address} udp dport ${port} notrack; }
  chain own { type filter hook output priority raw; ip daddr ${address} udp dport ${port} notrack; ip saddr ${address} udp sport ${port} notrack; }
  chain refusals {
    type filter hook output priority filter;
    ip saddr ${address} icmp type destination-unreachable ${refusedUdpPort} ${port} drop
    ip saddr ${address} tcp sport ${port} tcp flags & rst == rst tcp sequence 0 drop
  }
}
`,
  );
}

/**
 * In the packet quoted by an ICMP error, behind 8 bytes of ICMP and 20 of the quoted IP header: bytes 2 and 3, in bits.
 */
const refusedUdpPort = `@th,${(8 + 20 + 2) * 8},16`;
