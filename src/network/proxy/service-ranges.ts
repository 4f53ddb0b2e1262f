/**
 * The ranges of service addresses, as a node knows them: traffic to an address there without a service is refused, and
 * what the node itself sends there finds a route before it is rewritten.
 */
import { ServiceCIDR } from '../../api/resources.gen.ts';
import { type AddressRange, parseRange, rangeContains } from '../../api/validation/addresses.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import type { RunCommand } from '../command.ts';
import { createSyncLoop, type SyncLoop } from '../sync-loop.ts';

/** IPv4 ranges in the kernel's syntax, none within another. `own`: the range that the node was started with. */
export function serviceRanges(own: string, objects: Iterable<ServiceCIDR>): string[] {
  const texts = [own, ...[...objects].flatMap(({ spec }) => spec?.cidrs ?? [])];
  const ranges = texts
    .map(parseRange)
    .filter((range) => range?.bytes.length === 4)
    .map((range) => range!)
    .sort((one, other) => one.prefixLength - other.prefixLength);
  const outermost: AddressRange[] = [];
  for (const range of ranges)
    if (!outermost.some((outer) => rangeContains(outer, range.bytes))) outermost.push(range);
  return outermost.map(formatRange).sort();
}

/** As `nft` and `ip` write it: without host bits, and a single address without a length. */
function formatRange({ bytes, prefixLength }: AddressRange): string {
  const masked = bytes.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
    return byte & (0xff00 >> bits);
  });
  return prefixLength === 32 ? masked.join('.') : `${masked.join('.')}/${prefixLength}`;
}

export interface ServiceRoutesOptions {
  serviceCidr: string;
  informers: InformerFactory;
  run: RunCommand;
  clock: Clock;
  logger: Logger;
}

interface Route {
  dst: string;
  dev: string;
  prefsrc?: string;
}

/** Maintains a route for every range besides the node's own range, until `signal` aborts; the routes stay. */
export function startServiceRoutes(options: ServiceRoutesOptions, signal: AbortSignal): SyncLoop {
  const { clock, logger } = options;
  const objects = options.informers.of(ServiceCIDR);
  const failure = 'routes of service ranges could not be set';
  const loop = createSyncLoop({ clock, logger, failure, sync: () => syncRoutes(options) }, signal);
  const touch = () => loop.touch();
  objects.handle({ added: touch, updated: touch, deleted: touch });
  touch();
  return loop;
}

async function syncRoutes({ serviceCidr, informers, run, logger }: ServiceRoutesOptions): Promise<void> {
  const routes = JSON.parse((await run('ip', ['-4', '-json', 'route', 'show'])) || '[]') as Route[];
  const [ownDst] = serviceRanges(serviceCidr, []);
  const own = routes.find(({ dst }) => dst === ownDst);
  if (!own) return; // This network has no such routes at all.
  const wanted = new Set(serviceRanges(serviceCidr, informers.of(ServiceCIDR).list()));
  const source = own.prefsrc ? ` src ${own.prefsrc}` : '';
  const lines: string[] = [];
  for (const { dst, dev } of routes) {
    const isOurs = dev === own.dev && dst !== ownDst;
    if (isOurs && !wanted.has(dst)) lines.push(`route delete ${dst} dev ${dev}`);
    if (!isOurs && dst !== ownDst && wanted.has(dst))
      logger.warn('a service range has a route of another kind already', { range: dst, device: dev });
    wanted.delete(dst);
  }
  wanted.delete(ownDst!);
  for (const dst of wanted) lines.push(`route add ${dst} dev ${own.dev}${source}`);
  if (lines.length > 0) await run('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
}
