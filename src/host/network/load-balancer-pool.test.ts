import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newClusterRecord } from '../cluster/cluster-record.ts';
import { choosePool, loadBalancerPoolOf, subnetOfPool } from './load-balancer-pool.ts';

const cluster = (more = {}) => ({ ...newClusterRecord('c', 6443), ...more });

test('a pool is the upper half of the link, or the part of it that was chosen', () => {
  assert.equal(loadBalancerPoolOf(cluster()), undefined);
  const record = cluster({ subnet: '172.30.7' });
  assert.deepEqual(loadBalancerPoolOf(record), { first: '172.30.7.128', last: '172.30.7.254' });
  choosePool(record, { first: '172.30.7.200', last: '172.30.7.209' });
  assert.deepEqual(loadBalancerPoolOf(record), { first: '172.30.7.200', last: '172.30.7.209' });
});

test('a pool says which link a new cluster is to have', () => {
  assert.equal(subnetOfPool({ first: '172.30.9.128', last: '172.30.9.254' }), '172.30.9');
});

test('a pool that no node could answer for is refused, and the cluster keeps what it had', () => {
  const pools = [
    ['172.30.9.127', '172.30.9.200'],
    ['172.30.9.200', '172.30.9.255'],
    ['172.30.9.200', '172.30.10.200'],
    ['192.168.1.200', '192.168.1.210'],
  ];
  for (const [first, last] of pools) {
    const record = cluster();
    assert.throws(() => choosePool(record, { first: first!, last: last! }), /is on no link/, first);
    assert.equal(record.loadBalancerPool, undefined);
  }
  const pool = { first: '172.30.9.200', last: '172.30.9.210' };
  assert.throws(() => choosePool(cluster({ subnet: '172.30.8' }), pool), /are on 172\.30\.8\.0\/24/);
  assert.throws(() => choosePool(cluster({ simulatedNodes: 3 }), pool), /simulated nodes/);
});
