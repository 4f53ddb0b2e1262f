/** Where older versions of this server kept some kinds, and where upstream and this version keep them. */
import type { Logger } from '../../base/logger.ts';
import { type KeyMove, moveKeys } from '../../storage/move-keys.ts';
import type { Store } from '../../storage/store.ts';

const moves: readonly KeyMove[] = [
  {
    from: '/registry/customresourcedefinitions/',
    to: '/registry/apiextensions.k8s.io/customresourcedefinitions/',
  },
  { from: '/registry/apiservices/', to: '/registry/apiregistration.k8s.io/apiservices/' },
];

/** Before anything reads the store. */
export async function moveOldKeys(store: Store, logger: Logger): Promise<void> {
  for (const move of moves) {
    const count = await moveKeys(store, move);
    if (count > 0) logger.info('entries of the store have their new keys', { ...move, count });
  }
}
