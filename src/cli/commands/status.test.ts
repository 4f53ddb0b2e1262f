import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { ClusterRecord } from '../../host/cluster/cluster-record.ts';
import {
  type ClusterState,
  describeCluster,
  describeNode,
  describeRestarts,
  isReady,
  isWell,
  type NodeState,
} from './status.ts';

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
    assert.equal(describeNode(node, { isSupervised: false, isKnown: true }), text);
  }
});

test('dead processes are described as about to restart where there is a supervisor', () => {
  const dead = { ...well, agent: false };
  assert.equal(
    describeNode(dead, { isSupervised: true, isKnown: true }),
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

const cluster = (change: Partial<ClusterState>, simulatedNodes = 0): ClusterState => ({
  record: sparse<ClusterRecord>({ name: 'c', apiPort: 6443, simulatedNodes }),
  apiServer: 'running',
  ready: new Set(['one']),
  nodes: simulatedNodes > 0 ? [] : [{ ...well, name: 'one' }],
  isSupervised: true,
  restarts: {},
  ...change,
});

test('a cluster is well when it is served, and each of its nodes is Ready or was stopped by hand', () => {
  assert.ok(isWell(cluster({})));
  assert.ok(isWell(cluster({ nodes: [{ ...well, name: 'one', ready: false, stopped: true }] })));
  assert.ok(!isWell(cluster({ nodes: [{ ...well, name: 'one', ready: false }] })));
  assert.ok(!isWell(cluster({ apiServer: 'not ready' })));
  assert.ok(isWell(cluster({}, 1)));
  assert.ok(!isWell(cluster({}, 2)));
});

test('what runs of a cluster is said line by line', () => {
  assert.deepEqual(
    [...describeCluster(cluster({}), 0)],
    ['cluster     c', 'API server  running at https://127.0.0.1:6443', 'node        one: Ready'],
  );
});

test('without an API server it is said how it comes back, and no node is called NotReady that may well be Ready', () => {
  const gone = { apiServer: 'stopped', ready: new Set<string>(), nodes: [] } as const;
  const node = { ...well, name: 'one', ready: false };
  const rows: [ClusterState, string[]][] = [
    [
      cluster({ ...gone, isSupervised: false }, 2),
      ['API server  stopped: wherry up --name c starts it', 'nodes       0 of 2 simulated nodes Ready'],
    ],
    [
      cluster({ ...gone, nodes: [node] }),
      [
        'API server  does not run: to be started again at once',
        'node        one: runs; only the API server knows whether it is Ready',
      ],
    ],
    [
      cluster({ ...gone, nodes: [{ ...node, running: false }] }),
      ['API server  does not run: to be started again at once', 'node        one: stopped'],
    ],
    [
      cluster({ ...gone, apiServer: 'not ready', nodes: [node] }),
      [
        'API server  not ready (wherry logs --name c)',
        'node        one: runs; only the API server knows whether it is Ready',
      ],
    ],
  ];
  for (const [state, lines] of rows)
    assert.deepEqual([...describeCluster(state, 0)], ['cluster     c', ...lines]);
});
