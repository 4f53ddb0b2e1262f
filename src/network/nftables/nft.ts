/** The node's nftables: transactions as text, listings as elements. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { createCommandRunner, type RunCommand } from '../command.ts';
import { createNftSession, sessionBytesMax } from './nft-session.ts';

export interface ListedTable {
  chains: ReadonlySet<string>;
  /** By set name: key → data ('' for sets), in the syntax of transactions. */
  elements: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export interface NftOptions {
  clock: Clock;
  logger: Logger;
  /** Words before the command, to work in another namespace. */
  enter?: readonly string[];
}

export interface Nft {
  /** All or nothing. @throws CommandError */
  apply(transaction: string): Promise<void>;
  /** The same for lines of one command each; faster for small numbers. @throws CommandError */
  change(commands: string): Promise<void>;
  /** Undefined when there is no such table of family `ip`. */
  listTable(table: string): Promise<ListedTable | undefined>;
  /** Elements of one map, key → data. */
  listMap(table: string, map: string): Promise<ReadonlyMap<string, string>>;
}

/** Leaves no process behind once `signal` has aborted. */
export function createNft(options: NftOptions, signal: AbortSignal): Nft {
  const { clock, logger, enter = [] } = options;
  const run = createCommandRunner(enter);
  const session = createNftSession({ clock, logger, enter });
  signal.addEventListener('abort', () => session.close(), { once: true });
  const apply = async (transaction: string) => {
    await run('nft', ['-f', '-'], transaction);
  };
  return {
    apply,
    async change(commands) {
      if (commands.length <= sessionBytesMax && (await session.run(commands)) === 'done') return;
      // A change that the session made but could not confirm fails here, since its elements already exist or are
      // already gone.
      await apply(commands);
    },
    async listTable(table) {
      if (!(await hasTable(run, table))) return undefined;
      return readListing(JSON.parse(await run('nft', ['-j', 'list', 'table', 'ip', table])) as Listing);
    },
    async listMap(table, map) {
      const listing = JSON.parse(await run('nft', ['-j', 'list', 'map', 'ip', table, map])) as Listing;
      return readListing(listing).elements.get(map) ?? new Map();
    },
  };
}

/** Whether there is a table of that name, of family `ip`. */
export async function hasTable(run: RunCommand, name: string): Promise<boolean> {
  const { nftables } = JSON.parse(await run('nft', ['-j', 'list', 'tables', 'ip'])) as Listing;
  return nftables.some(({ table }) => table?.name === name);
}

/** A chain on a hook of the kernel without a rule: `nft flush table` takes the rules of all chains, and leaves the rest. */
export async function isFlushed(run: RunCommand, name: string): Promise<boolean> {
  // Without elements, which may be many.
  const { nftables } = JSON.parse(await run('nft', ['-t', '-j', 'list', 'table', 'ip', name])) as Listing;
  const filled = new Set(nftables.map(({ rule }) => rule?.chain));
  return nftables.some(({ chain }) => chain?.hook !== undefined && !filled.has(chain.name));
}

interface Listing {
  nftables: {
    table?: { name: string };
    chain?: { name: string; hook?: string };
    rule?: { chain: string };
    set?: ListedSet;
    map?: ListedSet;
  }[];
}

interface ListedSet {
  name: string;
  elem?: unknown[];
}

function readListing({ nftables }: Listing): ListedTable {
  const chains = new Set<string>();
  const elements = new Map<string, Map<string, string>>();
  for (const { chain, set, map } of nftables) {
    if (chain) chains.add(chain.name);
    if (set) elements.set(set.name, new Map((set.elem ?? []).map((key) => [formatValue(key), ''])));
    if (map) {
      const pairs = (map.elem ?? []) as [unknown, unknown][];
      elements.set(map.name, new Map(pairs.map(([key, data]) => [formatValue(key), formatValue(data)])));
    }
  }
  return { chains, elements };
}

/** nft's JSON of a key or of data, in its text syntax. */
function formatValue(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if ('concat' in value) return (value.concat as unknown[]).map(formatValue).join(' . ');
  if ('elem' in value) return formatValue((value.elem as { val: unknown }).val);
  if ('prefix' in value) {
    const { addr, len } = value.prefix as { addr: string; len: number };
    return `${addr}/${len}`;
  }
  if ('range' in value) return (value.range as unknown[]).map(formatValue).join('-');
  if ('goto' in value) return `goto ${(value.goto as { target: string }).target}`;
  if ('jump' in value) return `jump ${(value.jump as { target: string }).target}`;
  if ('drop' in value) return 'drop';
  if ('accept' in value) return 'accept';
  throw new Error(`nft lists a value of an unknown form: ${JSON.stringify(value)}`);
}
