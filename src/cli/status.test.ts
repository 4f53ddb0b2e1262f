import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeNode, isReady, type NodeState } from './status.ts';

const well: NodeState = { ready: true, running: true, containerd: true, agent: true, stopped: false };

test('a node is ready when the API server says so and all of its processes run', () => {
  const rows: [Partial<NodeState>, boolean, string][] = [
    [{}, true, 'Ready'],
    [{ ready: false }, false, 'NotReady'],
    [{ containerd: false }, false, 'containerd does not run: wherry up mends it'],
    [{ containerd: false, agent: false }, false, 'containerd and its agent do not run: wherry up mends it'],
    [{ running: false }, false, 'stopped'],
    [{ ready: false, stopped: true }, false, 'stopped by hand'],
  ];
  for (const [change, ready, text] of rows) {
    const node = { ...well, ...change };
    assert.equal(isReady(node), ready, text);
    assert.equal(describeNode(node), text);
  }
});
