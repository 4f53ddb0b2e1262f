/** The service address of cluster DNS on the node's loopback interface, and what the kernel does with questions to it. */
import type { RunCommand } from '../command.ts';

export const dnsTable = 'wherry-dns';

/**
 * Questions are answered on the node itself, so the kernel need not remember them as connections. While nobody listens,
 * because the process is being replaced, it does not refuse them either: whoever asks tries again by itself, and a refusal
 * would end that.
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

/** Of the packet that an ICMP error quotes behind its own 8 bytes and that packet's 20 of IP: bytes 2 and 3, in bits. */
const refusedUdpPort = `@th,${(8 + 20 + 2) * 8},16`;
