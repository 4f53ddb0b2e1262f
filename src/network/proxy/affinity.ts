/** Makes clients that the kernel remembers for `sessionAffinity: ClientIP` forget endpoints that are gone. */

import type { Logger } from '../../base/logger.ts';
import { CommandError } from '../../base/system/command.ts';
import type { Cleaner, ElementChange, ElementTable } from '../nftables/element-table.ts';
import type { Nft } from '../nftables/nft.ts';
import { isEndpoint } from './rules.ts';
import { tableName } from './skeleton.ts';

/** The address by which a client reached a service, as in the kernel's table. */
interface ServicePort {
  address: string;
  protocol: string;
  port: string;
}

/** Keys of remembered clients whose endpoint no longer serves, according to `hasEndpoint`. */
function computeForgotten(
  remembered: ReadonlyMap<string, string>,
  hasEndpoint: (port: ServicePort, endpoint: string) => boolean,
): string[] {
  return [...remembered]
    .filter(([key, endpoint]) => {
      const [, address = '', protocol = '', port = ''] = key.split(' . ');
      return !hasEndpoint({ address, protocol, port }, endpoint);
    })
    .map(([key]) => key);
}

/** A client may expire between the listing and the deletion, which then fails as a whole and is retried. */
const triesMax = 5;

export function startAffinityCleaner(options: { nft: Nft; logger: Logger }): Cleaner {
  const { nft, logger } = options;
  let running = Promise.resolve();
  return {
    clean(changes, table) {
      if (changes.some((change) => concernsAffinity(change, table)))
        running = running.then(() => forget(table));
    },
    idle: () => running,
  };

  async function forget(table: ElementTable): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        const remembered = await nft.listMap(tableName, 'affinity');
        const keys = computeForgotten(remembered, (port, endpoint) => serves(table, port, endpoint));
        if (keys.length > 0)
          await nft.change(`delete element ip ${tableName} affinity { ${keys.join(', ')} }\n`);
        return;
      } catch (error) {
        if (error instanceof CommandError && tries < triesMax) continue;
        return logger.warn('clients may stay with endpoints that are gone', { error });
      }
    }
  }
}

function concernsAffinity({ set, key, before }: ElementChange, table: ElementTable): boolean {
  if (before === undefined) return false;
  if (set === 'affine' || set === 'affine-nodeports') return true;
  const service = key.slice(0, key.lastIndexOf(' . '));
  if (set === 'endpoints' || set === 'local-endpoints') return table.get('affine', service) !== undefined;
  if (set === 'nodeport-endpoints' || set === 'nodeport-local-endpoints')
    return table.get('affine-nodeports', service) !== undefined;
  return false;
}

/** An address that is not a service's is one of the node's own: then only the port counts. */
function serves(table: ElementTable, { address, protocol, port }: ServicePort, endpoint: string): boolean {
  const byAddress = `${address} . ${protocol} . ${port}`;
  if (table.get('affine', byAddress) !== undefined)
    return isEndpoint(table, 'endpoints', byAddress, endpoint);
  const byPort = `${protocol} . ${port}`;
  if (table.get('affine-nodeports', byPort) === undefined) return false;
  return isEndpoint(table, 'nodeport-endpoints', byPort, endpoint);
}
