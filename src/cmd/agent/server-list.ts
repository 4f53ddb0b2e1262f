/**
 * The API servers that a node's agent may ask: those that it was given, and all that the `kubernetes` service leads to. What
 * was learned is kept on disk: the servers that an agent was given when it joined may be gone when it starts again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EndpointSlice } from '../../api/resources.gen.ts';
import type { Logger } from '../../base/logger.ts';
import { replaceFile } from '../../base/system/replace-file.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';

const fileName = 'known-servers.json';
const serviceKey = 'default/kubernetes';

/** `configured` first, then what the slice adds to them. */
function computeServers(configured: readonly string[], slice: EndpointSlice): string[] {
  const port = slice.ports?.[0]?.port;
  const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
  return [
    ...new Set([...configured, ...(port ? addresses.map((address) => `https://${address}:${port}`) : [])]),
  ];
}

export interface ServerListOptions {
  /** Those that the agent was given. */
  configured: readonly string[];
  /** Where the list is kept. */
  folder: string;
  logger: Logger;
}

/** A list that cannot be read, cut short by a power failure perhaps, adds nothing to the configured servers. */
export function readKnownServers({ configured, folder, logger }: ServerListOptions): string[] {
  const file = join(folder, fileName);
  try {
    const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as string[]) : [];
    return [...new Set([...configured, ...known])];
  } catch (error) {
    logger.warn('the list of known servers cannot be read', { file, error });
    return [...configured];
  }
}

/** Calls `changed` with the servers whenever there are others than before, and notes them in `folder`. */
export function followServers(
  informers: InformerFactory,
  options: ServerListOptions & { changed(servers: readonly string[]): void },
): void {
  const { configured, folder, logger, changed } = options;
  let current = JSON.stringify(readKnownServers(options));
  const take = (slice: EndpointSlice) => {
    if (`${slice.metadata.namespace}/${slice.metadata.name}` !== serviceKey) return;
    const servers = computeServers(configured, slice);
    const text = JSON.stringify(servers);
    if (text === current) return;
    current = text;
    const file = join(folder, fileName);
    try {
      replaceFile(file, text);
    } catch (error) {
      // Only the next start misses it: on a full disk the agent still has to find its servers.
      logger.warn('the list of known servers cannot be kept', { file, error });
    }
    changed(servers);
  };
  informers.of(EndpointSlice).handle({ added: take, updated: take });
}
