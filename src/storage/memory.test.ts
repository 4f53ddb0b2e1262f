import { createMemoryStore } from './memory.ts';
import { testStoreContract } from './store.contract.ts';

testStoreContract('memory', async () => createMemoryStore());
