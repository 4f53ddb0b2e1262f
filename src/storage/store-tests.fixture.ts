/** Tests that every implementation of the store runs. */
import { test } from 'node:test';
import type { Store } from './store.ts';

const timeout = 60_000;

/** Returns what declares a test with a store of its own; `open` returns an empty one, which is closed afterwards. */
export function storeTests(open: () => Promise<Store>) {
  return (title: string, body: (store: Store) => Promise<void>) =>
    test(title, { timeout }, async () => {
      const store = await open();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });
}
