import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeNode, describeRestarts, isReady, type NodeState } from './status.ts';

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
    assert.equal(describeNode(node, { isSupervised: false }), text);
  }
});

test('dead processes are described as about to restart where there is a supervisor', () => {
  const dead = { ...well, agent: false };
  assert.equal(
    describeNode(dead, { isSupervised: true }),
    'its agent does not run: to be started again at once',
  );
});

test('restarts are shown with their number and the age of the last', () => {
  const nowMs = 10_000_000;
  const restarts = {
    server: { count: 1, streak: 1, atMs: nowMs - 5000 },
    'wherry/agent': { count: 3, streak: 1, atMs: nowMs - 600_000 },
  };
  assert.equal(describeRestarts(restarts, nowMs), 'server 1, last 5s ago; wherry/agent 3, last 10m ago');
});
