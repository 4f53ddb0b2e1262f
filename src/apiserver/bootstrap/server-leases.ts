/**
 * Which API servers of one store are alive: each keeps its own entry fresh, where upstream's servers keep theirs, and
 * removes those of silent ones. The `kubernetes` service leads to those that remain.
 */
import type { Clock } from '../../base/clock.ts';
import type { Store, StoredEntry } from '../../storage/store.ts';
import { registryPrefix } from '../watch-cache/store-view.ts';

/** Where pods and nodes reach a server. */
export interface PublishedAddress {
  address: string;
  port: number;
}

const leasePrefix = `${registryPrefix}masterleases/`;
/** A server that has not written for this long is considered dead; upstream's figure. */
const silentMs = 15_000;

export class ServerLeases {
  readonly #store: Store;
  readonly #clock: Clock;
  /** Entries as last seen, and since when they have been so: only our own clock counts for their age. */
  #seen = new Map<string, { revision: number; atMs: number }>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Writes this server's entry, removes those of dead servers, and returns the live ones in a fixed order. */
  async renew(own: PublishedAddress): Promise<PublishedAddress[]> {
    await this.#write(own);
    const { entries } = await this.#store.list(leasePrefix);
    const nowMs = this.#clock.monotonic();
    const dead = entries.filter((entry) => this.#isSilent(entry, nowMs));
    const alive = entries.filter((entry) => !dead.includes(entry));
    this.#seen = new Map(alive.map(({ key }) => [key, this.#seen.get(key)!]));
    // A lost compare-and-swap means that the server has written after all, as the next round sees.
    for (const { key, modRevision } of dead) await this.#store.delete(key, modRevision);
    return addressesOf(alive);
  }

  /** Removes this server's entry, and returns those that remain. */
  async release({ address }: PublishedAddress): Promise<PublishedAddress[]> {
    const { entry } = await this.#store.get(leasePrefix + address);
    if (entry) await this.#store.delete(entry.key, entry.modRevision);
    const { entries } = await this.#store.list(leasePrefix);
    return addressesOf(entries);
  }

  async #write(own: PublishedAddress): Promise<void> {
    const key = leasePrefix + own.address;
    const value = Buffer.from(
      JSON.stringify({ ...own, renewTime: new Date(this.#clock.now()).toISOString() }),
    );
    const { entry } = await this.#store.get(key);
    // If another server removes the entry in between, the next round handles it.
    if (entry) await this.#store.update(key, value, entry.modRevision);
    else await this.#store.create(key, value);
  }

  #isSilent({ key, modRevision }: StoredEntry, nowMs: number): boolean {
    const seen = this.#seen.get(key);
    if (seen?.revision === modRevision) return nowMs - seen.atMs > silentMs;
    this.#seen.set(key, { revision: modRevision, atMs: nowMs });
    return false;
  }
}

/** Entries of other implementations that cannot be read are skipped; they are removed once they are silent. */
function addressesOf(entries: readonly StoredEntry[]): PublishedAddress[] {
  return entries.flatMap(({ value }) => parseLease(Buffer.from(value).toString()) ?? []);
}

function parseLease(text: string): PublishedAddress | undefined {
  let lease: Partial<PublishedAddress> | null;
  try {
    lease = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { address, port } = lease ?? {};
  return typeof address === 'string' && typeof port === 'number' ? { address, port } : undefined;
}
