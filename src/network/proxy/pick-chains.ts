/** Chains that send a new connection to one of several endpoints, and their names. */

/** A chain that sends a new connection to one of several endpoints; created when an element first names it. */
export interface PickChain {
  /** `address`: keyed by destination address and port; `nodeport`: by port alone. */
  by: 'address' | 'nodeport';
  /**
   * For which traffic the source address is replaced by the node's: for that from outside the pod ranges, or for all.
   */
  masquerade: 'outside' | 'all';
  /** Endpoints of the whole cluster. */
  count: number;
  /** With a `Local` external policy: endpoints on this node, which serve clients from outside. */
  localCount?: number;
  hasAffinity: boolean;
}

/** Name and fields in one: the name describes the chain completely. */
export function pickChainName(chain: PickChain): string {
  const counts = chain.localCount === undefined ? `${chain.count}` : `${chain.localCount}of${chain.count}`;
  return `pick-${chain.by}-${chain.masquerade}-${counts}${chain.hasAffinity ? '-affine' : ''}`;
}

/** The inverse of {@link pickChainName}; undefined for other chains. */
export function parsePickChainName(name: string): PickChain | undefined {
  const match = /^pick-(address|nodeport)-(outside|all)-(?:(\d+)of)?(\d+)(-affine)?$/.exec(name);
  if (!match) return undefined;
  const [, by, masquerade, localCount, count, affine] = match;
  return {
    by: by as PickChain['by'],
    masquerade: masquerade as PickChain['masquerade'],
    count: Number(count),
    ...(localCount === undefined ? {} : { localCount: Number(localCount) }),
    hasAffinity: affine !== undefined,
  };
}
