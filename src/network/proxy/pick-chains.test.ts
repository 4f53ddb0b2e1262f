import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePickChainName, pickChainName } from './pick-chains.ts';

describe('names of chains', () => {
  it('say all that a chain does', () => {
    for (const chain of [
      { by: 'address', masquerade: 'outside', count: 3, hasAffinity: true },
      { by: 'nodeport', masquerade: 'all', count: 3, localCount: 0, hasAffinity: false },
    ] as const)
      assert.deepEqual(parsePickChainName(pickChainName(chain)), chain);
    assert.equal(parsePickChainName('refuse'), undefined);
  });
});
