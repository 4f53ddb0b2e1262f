/** Addresses of the services' range that have a meaning. */

/** The address of the service `kubernetes`: the first of the range. */
export function firstAddress(cidr: string): string {
  return addressIn(cidr, 1);
}

/** Cluster DNS has the tenth address of the services' range. */
export function tenthAddress(cidr: string): string {
  return addressIn(cidr, 10);
}

function addressIn(cidr: string, offset: number): string {
  const bytes = cidr.split('/')[0]!.split('.').map(Number);
  return [...bytes.slice(0, 3), bytes[3]! + offset].join('.');
}
