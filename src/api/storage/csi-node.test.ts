import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { CSINode } from '../resources.gen.ts';
import type { CSINodeDriver } from '../types/storage-v1.gen.ts';
import { csiNodeKind } from './csi-node.ts';

const nodeWith = (driver: Partial<CSINodeDriver>) =>
  sparse<CSINode>({ spec: { drivers: [{ name: 'd', nodeID: 'n', topologyKeys: [], ...driver }] } });

test('of a driver on a node only how many volumes it takes may change', () => {
  const before = nodeWith({ allocatable: { count: 5 } });
  const problems = (driver: Partial<CSINodeDriver>) =>
    [...csiNodeKind.validateUpdate!(nodeWith(driver), before, {} as never)].map(({ field }) => field);
  assert.deepEqual(problems({ allocatable: { count: 6 } }), []);
  assert.deepEqual(problems({}), []);
  assert.deepEqual(problems({ nodeID: 'other', allocatable: { count: 5 } }), ['spec.drivers']);
  assert.deepEqual(problems({ topologyKeys: ['zone'], allocatable: { count: 5 } }), ['spec.drivers']);
});
