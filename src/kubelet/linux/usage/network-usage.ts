/** The traffic of the network interfaces of a namespace. */
import { readText } from '../kernel-files.ts';

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

/** In the network namespace of this process; empty when it has ended. */
export function interfaceUsages(pid: number | 'self'): InterfaceUsage[] {
  return parseInterfaces(readText(`/proc/${pid}/net/dev`));
}

/** Without the loopback and the interfaces that lead to pods: their traffic is the pods', as in cAdvisor. */
const passedOver = /^(lo|veth|docker|nerdctl)/;

/** The format of /proc/net/dev: two header lines, then a name and sixteen numbers each. */
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
