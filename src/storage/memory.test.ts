import { createMemoryStore } from './memory.ts';
import { testMoveKeys } from './move-keys.contract.ts';
import { testStoreContract } from './store.contract.ts';

testStoreContract('memory', async () => createMemoryStore());
testMoveKeys('memory', async () => createMemoryStore());
