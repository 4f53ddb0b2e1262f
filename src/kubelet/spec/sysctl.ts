/** Names of kernel parameters, which may be written with dots or with slashes between their parts. */

/** The first separator says which is meant; the other kind stands within a part: `net/ipv4/conf/eth0.1/x`. */
export function dottedSysctl(name: string): string {
  if (name[name.search(/[./]/)] !== '/') return name;
  return name.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'));
}
