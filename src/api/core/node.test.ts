import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { Node } from '../resources.gen.ts';
import { nodeKind } from './node.ts';

test('the kernel’s version has the architecture behind it', () => {
  const { cell } = nodeKind.columns!.find(({ name }) => name === 'Kernel-Version')!;
  const kernelCell = (nodeInfo: object) =>
    cell(sparse<Node>({ metadata: { name: 'n' }, status: { nodeInfo } }), { nowMs: 0 });
  assert.equal(kernelCell({ kernelVersion: '6.1.0', architecture: 'amd64' }), '6.1.0 (amd64)');
  assert.equal(kernelCell({ kernelVersion: '6.1.0' }), '6.1.0');
  assert.equal(kernelCell({}), '<unknown>');
});
