/**
 * The elements that owners (services, policies) want in the kernel's sets, and what changed since the last transaction.
 * Two owners may claim one element: the first holds it, and the next follows when the first releases it.
 */

/** One element of a set or map, in nft's own words. */
export interface SetElement {
  set: string;
  key: string;
  /** Data of a map's element; '' for a set. */
  value: string;
}

export interface ElementChange {
  set: string;
  key: string;
  /** Undefined: the element did not exist. */
  before: string | undefined;
  /** Undefined: the element is removed. */
  after: string | undefined;
}

/** Cleans up, in the background, after changes have reached the kernel: nothing waits for it. */
export interface Cleaner {
  clean(changes: readonly ElementChange[], table: ElementTable): void;
  /** Resolves when everything requested so far is done. */
  idle(): Promise<void>;
}

interface Claim {
  owner: string;
  value: string;
}

export class ElementTable {
  readonly #byOwner = new Map<string, readonly SetElement[]>();
  /** By set, then by key; the first claim holds. */
  readonly #claims = new Map<string, Map<string, Claim[]>>();
  /** By set, then by key: what the kernel has, where it may differ from the first claim. */
  #touched = new Map<string, Map<string, string | undefined>>();

  /** Replaces everything that `owner` wants. Returns as `lost` the elements that another owner already holds. */
  replace(owner: string, elements: readonly SetElement[]): { lost: SetElement[] } {
    const wanted = new Map(elements.map((element) => [`${element.set} ${element.key}`, element]));
    for (const element of this.#byOwner.get(owner) ?? []) {
      if (!wanted.has(`${element.set} ${element.key}`)) this.#release(owner, element);
    }
    const lost: SetElement[] = [];
    for (const element of wanted.values()) if (!this.#claim(owner, element)) lost.push(element);
    if (wanted.size > 0) this.#byOwner.set(owner, [...wanted.values()]);
    else this.#byOwner.delete(owner);
    return { lost };
  }

  /** The data at a key, or undefined. */
  get(set: string, key: string): string | undefined {
    return this.#claims.get(set)?.get(key)?.[0]?.value;
  }

  get size(): number {
    let size = 0;
    for (const claims of this.#claims.values()) size += claims.size;
    return size;
  }

  /** What `owner` wants. */
  of(owner: string): readonly SetElement[] {
    return this.#byOwner.get(owner) ?? [];
  }

  /** Whether `owner` wants anything. */
  has(owner: string): boolean {
    return this.#byOwner.has(owner);
  }

  /** Changes since the last call; the caller applies them to the kernel or calls {@link restart}. */
  takeChanges(): ElementChange[] {
    const changes: ElementChange[] = [];
    for (const [set, keys] of this.#touched) {
      for (const [key, before] of keys) {
        const after = this.get(set, key);
        if (before !== after) changes.push({ set, key, before, after });
      }
    }
    this.#touched = new Map();
    return changes;
  }

  /** Makes the next changes lead from `kernel` (by set, key → data; empty for a fresh table) to the wanted state. */
  restart(kernel: ReadonlyMap<string, ReadonlyMap<string, string>>): void {
    this.#touched = new Map();
    for (const [set, claims] of this.#claims) {
      for (const key of claims.keys()) this.#touch(set, key, kernel.get(set)?.get(key));
    }
    for (const [set, elements] of kernel) {
      for (const [key, value] of elements) this.#touch(set, key, value);
    }
  }

  #claim(owner: string, { set, key, value }: SetElement): boolean {
    let keys = this.#claims.get(set);
    if (!keys) {
      keys = new Map();
      this.#claims.set(set, keys);
    }
    const claims = keys.get(key);
    if (!claims) {
      this.#touch(set, key, undefined);
      keys.set(key, [{ owner, value }]);
      return true;
    }
    const own = claims.find((claim) => claim.owner === owner);
    if (!own) claims.push({ owner, value });
    else if (own.value !== value) {
      if (claims[0] === own) this.#touch(set, key, own.value);
      own.value = value;
    }
    return claims[0]!.owner === owner || claims[0]!.value === value;
  }

  #release(owner: string, { set, key }: SetElement): void {
    const keys = this.#claims.get(set)!;
    const claims = keys.get(key)!;
    this.#touch(set, key, claims[0]!.value);
    const left = claims.filter((claim) => claim.owner !== owner);
    if (left.length > 0) keys.set(key, left);
    else keys.delete(key);
  }

  /** Records what the kernel has; only the first record since the last transaction counts. */
  #touch(set: string, key: string, inKernel: string | undefined): void {
    let keys = this.#touched.get(set);
    if (!keys) {
      keys = new Map();
      this.#touched.set(set, keys);
    }
    if (!keys.has(key)) keys.set(key, inKernel);
  }
}

/** The nft script for the changes, deletions first; a single transaction when nft gets it in one piece. */
export function changesText(table: string, changes: readonly ElementChange[]): string {
  const deleted = new Map<string, string[]>();
  const added = new Map<string, string[]>();
  const push = (map: Map<string, string[]>, set: string, text: string) => {
    const list = map.get(set);
    if (list) list.push(text);
    else map.set(set, [text]);
  };
  for (const { set, key, before, after } of changes) {
    if (before !== undefined) push(deleted, set, key);
    if (after !== undefined) push(added, set, after === '' ? key : `${key} : ${after}`);
  }
  const lines = (verb: string, map: Map<string, string[]>) =>
    [...map]
      .map(([set, elements]) => `${verb} element ip ${table} ${set} { ${elements.join(', ')} }\n`)
      .join('');
  return lines('delete', deleted) + lines('add', added);
}
