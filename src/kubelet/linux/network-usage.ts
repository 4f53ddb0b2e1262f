/** What the network interfaces of a namespace have carried. */
import { readText } from './kernel-files.ts';

export interface InterfaceUsage {
  name: string;
  rxBytes: number;
  rxPackets: number;
  rxErrors: number;
  rxDropped: number;
  txBytes: number;
  txPackets: number;
  txErrors: number;
  txDropped: number;
}

/** Of the network that this process is in; empty when it has ended. */
export function interfaceUsages(pid: number | 'self'): InterfaceUsage[] {
  return parseInterfaces(readText(`/proc/${pid}/net/dev`));
}

/** The loopback is nobody's traffic, and what goes to a pod is the pod's: as cAdvisor has it. */
const passedOver = /^(lo|veth|docker|nerdctl)/;

/** As in /proc/net/dev: two lines of heads, then a name and sixteen numbers each. */
export function parseInterfaces(text: string): InterfaceUsage[] {
  return text
    .split('\n')
    .slice(2)
    .flatMap((line) => {
      const [name = '', rest] = line.split(':', 2);
      if (rest === undefined || passedOver.test(name.trim())) return [];
      const numbers = rest.trim().split(/\s+/).map(Number);
      const at = (index: number) => numbers[index] ?? 0;
      return [
        {
          name: name.trim(),
          rxBytes: at(0),
          rxPackets: at(1),
          rxErrors: at(2),
          rxDropped: at(3),
          txBytes: at(8),
          txPackets: at(9),
          txErrors: at(10),
          txDropped: at(11),
        },
      ];
    });
}
