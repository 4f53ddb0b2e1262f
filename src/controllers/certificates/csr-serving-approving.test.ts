import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../api/resources.gen.ts';
import { isOfNode } from './csr-serving-approving.ts';

test('a node gets a serving certificate for itself, and for no other', () => {
  const node = {
    metadata: { name: 'n1' },
    status: { addresses: [{ type: 'InternalIP', address: '10.0.0.7' }] },
  } as Node;
  const request = (names: Partial<Parameters<typeof isOfNode>[0]>) => ({
    commonName: 'system:node:n1',
    organizations: ['system:nodes'],
    dnsNames: ['n1'],
    ipAddresses: ['10.0.0.7'],
    emailAddresses: [],
    uris: [],
    ...names,
  });
  assert.equal(isOfNode(request({}), 'system:node:n1', node), true);
  assert.equal(isOfNode(request({}), 'system:node:n2', node), false);
  assert.equal(isOfNode(request({ commonName: 'system:node:n2' }), 'system:node:n1', node), false);
  assert.equal(isOfNode(request({ ipAddresses: ['10.0.0.1'] }), 'system:node:n1', node), false);
  assert.equal(isOfNode(request({ dnsNames: ['kubernetes'] }), 'system:node:n1', node), false);
});
