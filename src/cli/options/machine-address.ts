/** Addresses of machines must lie outside of what the cluster uses for services and pods. */
import { isIPv4 } from 'node:net';
import { defaultPodCidr, defaultServiceCidr } from '../../host/cluster/cluster-record.ts';
import { Failure } from '../../host/failure.ts';
import { isWithin } from '../../host/network/link.ts';
import { UsageError } from '../context.ts';

/**
 * @throws UsageError when it is no IPv4 address
 * @throws Failure when packets to the address would be taken for a service's or a pod's
 */
export function checkMachineAddress(address: string): void {
  if (!isIPv4(address))
    throw new UsageError(`--address takes an IPv4 address, not ${JSON.stringify(address)}`);
  for (const [what, range] of [
    ['services', defaultServiceCidr],
    ['pods', defaultPodCidr],
  ] as const)
    if (isWithin(address, range))
      throw new Failure(`the address ${address} lies in the cluster's range for ${what}, ${range}`, {
        advice: 'give the machine another address, or choose one of its others with --address',
      });
}

/** Where a server of the machine listens: there, and for the machine's own programs on its loopback address. */
export function listenHosts(address: string): string[] {
  return [...new Set(['127.0.0.1', address])];
}
