/**
 * UDP has no end of connection that the kernel could see: a client that goes on sending stays with the endpoint in its
 * conntrack entry, even a dead one, or with none at all. Such entries are deleted when the endpoints of a UDP port
 * change.
 */

import type { Logger } from '../../base/logger.ts';
import { CommandError } from '../../base/system/command.ts';
import type { RunCommand } from '../command.ts';
import type { Cleaner, ElementChange } from '../nftables/element-table.ts';
import { isEndpoint } from './rules.ts';

/** Arguments of one `conntrack -D`. */
export type ConntrackFilter = readonly string[];

/** Decides which entries are stale after `changes`; `hasEndpoint` says whether a key's port still has that endpoint. */
export function computeStaleEntries(
  changes: readonly ElementChange[],
  hasEndpoint: (set: string, service: string, endpoint: string) => boolean,
): ConntrackFilter[] {
  const filters = new Map<string, ConntrackFilter>();
  for (const change of changes) {
    if (!change.key.includes('udp . ')) continue;
    const filter = staleEntries(change, hasEndpoint);
    if (filter) filters.set(filter.join(' '), filter);
  }
  return [...filters.values()];
}

function staleEntries(
  { set, key, before, after }: ElementChange,
  hasEndpoint: (set: string, service: string, endpoint: string) => boolean,
): ConntrackFilter | undefined {
  if (set === 'services' && before === undefined) {
    const [address, , port] = key.split(' . ');
    return ['-D', '-p', 'udp', '--orig-dst', address!, '--orig-port-dst', port!];
  }
  if (set === 'nodeports' && before === undefined) {
    return ['-D', '-p', 'udp', '--orig-port-dst', key.split(' . ')[1]!];
  }
  if (before === undefined || before === after) return undefined;
  const words = key.split(' . ');
  const service = words.slice(0, -1).join(' . ');
  const endpointAddress = before.split(' . ')[0]!;
  if (set === 'endpoints' && !hasEndpoint(set, service, before)) {
    return [
      '-D',
      '-p',
      'udp',
      '--orig-dst',
      words[0]!,
      '--orig-port-dst',
      words[2]!,
      '--dst-nat',
      endpointAddress,
    ];
  }
  if (set === 'nodeport-endpoints' && !hasEndpoint(set, service, before)) {
    return ['-D', '-p', 'udp', '--orig-port-dst', words[1]!, '--dst-nat', endpointAddress];
  }
  return undefined;
}

export function startConntrackCleaner(options: { run: RunCommand; logger: Logger }): Cleaner {
  const { run, logger } = options;
  let isMissing = false;
  let last = Promise.resolve();
  return {
    clean(changes, table) {
      const filters = computeStaleEntries(changes, (set, service, endpoint) =>
        isEndpoint(table, set, service, endpoint),
      );
      for (const filter of filters) last = last.then(() => remove(filter));
    },
    idle: () => last,
  };

  async function remove(filter: ConntrackFilter): Promise<void> {
    if (isMissing) return;
    try {
      await run('conntrack', filter);
    } catch (error) {
      const { isMissingProgram = false, stderr = '' } = error instanceof CommandError ? error : {};
      isMissing = isMissingProgram;
      if (isMissing)
        logger.warn('conntrack is not installed: UDP clients may stay with endpoints that are gone');
      // Exit code 1 with this text: there was no such entry.
      else if (!stderr.includes('0 flow entries')) logger.warn('conntrack entries stay', { error });
    }
  }
}
