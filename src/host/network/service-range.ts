/** Addresses of the service range with a fixed meaning. */

/** The address of the service `kubernetes`: the first of the range. */
export function kubernetesServiceAddress(cidr: string): string {
  return addressIn(cidr, 1);
}

/** The address of cluster DNS: the tenth of the range. */
export function clusterDnsAddress(cidr: string): string {
  return addressIn(cidr, 10);
}

function addressIn(cidr: string, offset: number): string {
  const bytes = cidr.split('/')[0]!.split('.').map(Number);
  return [...bytes.slice(0, 3), bytes[3]! + offset].join('.');
}
