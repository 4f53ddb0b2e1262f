/**
 * What requests hold of the server's memory before it is their turn, all together. When that is too much, the user who
 * holds most of it loses the oldest share: nobody takes from others what they need.
 */

const totalBytesMaxDefault = 128 * 1024 * 1024;
/** What a request under way costs beside its body. */
const requestBytes = 16 * 1024;

/** What one request holds. */
export interface BodyShare {
  readonly isOpen: boolean;
  /** By so many bytes. This may close the share, or another. */
  grow(bytes: number): void;
  /** Gives the bytes back. */
  close(): void;
  /** Called when the share closes: at once if it has done so already. */
  onClose: (() => void) | undefined;
}

/** The shares of one user. */
interface Holder {
  bytes: number;
  /** From the oldest to the newest. */
  shares: Set<Share>;
}

export class BodyBudget {
  readonly #totalBytesMax: number;
  readonly #holders = new Map<string, Holder>();
  #bytes = 0;

  constructor(totalBytesMax = totalBytesMaxDefault) {
    this.#totalBytesMax = totalBytesMax;
  }

  /** Held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A share for one request of `user`. */
  open(user: string): BodyShare {
    let holder = this.#holders.get(user);
    if (!holder) {
      holder = { bytes: 0, shares: new Set() };
      this.#holders.set(user, holder);
    }
    const share = new Share({
      grow: (bytes) => {
        holder.bytes += bytes;
        this.#bytes += bytes;
        while (this.#bytes > this.#totalBytesMax) oldestOfLargest(this.#holders.values()).close();
      },
      close: (bytes) => {
        holder.bytes -= bytes;
        this.#bytes -= bytes;
        holder.shares.delete(share);
        if (holder.shares.size === 0) this.#holders.delete(user);
      },
    });
    holder.shares.add(share);
    share.grow(requestBytes);
    return share;
  }
}

function oldestOfLargest(holders: Iterable<Holder>): Share {
  let largest: Holder | undefined;
  for (const holder of holders) if (!largest || holder.bytes > largest.bytes) largest = holder;
  const [oldest] = largest?.shares ?? [];
  if (!oldest) throw new Error('bytes are held by nobody');
  return oldest;
}

class Share implements BodyShare {
  isOpen = true;
  #bytes = 0;
  #onClose: (() => void) | undefined;
  readonly #book: { grow(bytes: number): void; close(bytes: number): void };

  constructor(book: { grow(bytes: number): void; close(bytes: number): void }) {
    this.#book = book;
  }

  set onClose(tell: (() => void) | undefined) {
    this.#onClose = tell;
    if (!this.isOpen) tell?.();
  }

  grow(bytes: number): void {
    if (!this.isOpen) return;
    this.#bytes += bytes;
    this.#book.grow(bytes);
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#book.close(this.#bytes);
    this.#onClose?.();
  }
}
