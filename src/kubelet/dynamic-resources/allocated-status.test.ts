import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocatedStatus } from './allocated-status.ts';
import type { PreparedDevice } from './driver-messages.ts';

const device = (change: Partial<PreparedDevice>): PreparedDevice => ({
  requestNames: [],
  poolName: 'pool',
  deviceName: 'd0',
  cdiDeviceIds: [],
  ...change,
});
const record = (...devices: PreparedDevice[]) => ({
  namespace: 'ns',
  name: 'claim',
  uid: 'u',
  podUids: ['p'],
  devices: { 'a.b': devices },
  isPrepared: true,
});

test('devices of plugins are reported by resource, those of claims by what the container asks for', () => {
  const container = {
    name: 'c',
    resources: {
      claims: [{ name: 'all' }, { name: 'some', request: 'r/fast' }, { name: 'empty' }, { name: 'unknown' }],
    },
  };
  const some = record(
    device({ requestNames: ['r'], deviceName: 'd1' }),
    device({ requestNames: ['s'], deviceName: 'd2' }),
  );
  const all = record(
    device({ cdiDeviceIds: ['a.b/c=x', 'a.b/c=y'] }),
    device({ deviceName: 'd3', cdiDeviceIds: ['a.b/c=x'] }),
  );
  const statuses = allocatedStatus(container, {
    ofPlugins: [
      { resourceName: 'e.com/gpu', id: 'g0', numaNodes: [], isHealthy: true },
      { resourceName: 'e.com/nic', id: 'n0', numaNodes: [], isHealthy: true },
      { resourceName: 'e.com/gpu', id: 'g1', numaNodes: [], isHealthy: false },
    ],
    ofClaims: [
      { entry: 'all', record: all },
      { entry: 'some', record: some },
      { entry: 'empty', record: record() },
    ],
    healthOf: (driver, pool, name) =>
      name === 'd1' ? { health: 'Unhealthy', message: `${driver} ${pool}` } : { health: 'Unknown' },
  });
  assert.deepEqual(statuses, [
    {
      name: 'e.com/gpu',
      resources: [
        { resourceID: 'g0', health: 'Healthy' },
        { resourceID: 'g1', health: 'Unhealthy' },
      ],
    },
    { name: 'e.com/nic', resources: [{ resourceID: 'n0', health: 'Healthy' }] },
    { name: 'claim:all', resources: [{ resourceID: 'a.b/c=x', health: 'Unknown' }] },
    {
      name: 'claim:some/r/fast',
      resources: [{ resourceID: 'a.b/pool/d1', health: 'Unhealthy', message: 'a.b pool' }],
    },
  ]);
});
