/** Names of kernel parameters, which may be written with dots or with slashes between their parts. */

/**
 * The first separator decides which form it is; the other character is then part of a name: `net/ipv4/conf/eth0.1/x`.
 */
export function dottedSysctl(name: string): string {
  if (name[name.search(/[./]/)] !== '/') return name;
  return name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}
