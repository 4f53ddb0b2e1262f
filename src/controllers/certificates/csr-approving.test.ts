import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateSigningRequest, Node } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planApproval } from './csr-approving.ts';
import { signers } from './csr-request.ts';
import { maySelfServe } from './csr-serving-approving.ts';

const request = {
  commonName: 'system:node:n1',
  organizations: ['system:nodes'],
  dnsNames: [] as string[],
  ipAddresses: [] as string[],
  emailAddresses: [],
  uris: [],
};
const csr = (signerName: string, username: string, status: object = {}) =>
  sparse<CertificateSigningRequest>({
    spec: {
      signerName,
      username,
      usages: ['digital signature', signerName === signers.kubeletServing ? 'server auth' : 'client auth'],
    },
    status,
  });
const foreign = { ...request, organizations: [] };
const decided = { conditions: [{ type: 'Denied', status: 'True' }] };
const { kubeletClient, kubeletServing, client } = signers;

for (const [what, given, read, review] of [
  ['of the node itself', csr(kubeletClient, 'system:node:n1'), request, 'selfnodeclient'],
  ['on behalf of a node', csr(kubeletClient, 'system:bootstrap:abc'), request, 'nodeclient'],
  ['that was denied', csr(kubeletClient, 'system:node:n1', decided), request, undefined],
  ['that has its certificate', csr(kubeletClient, 'x', { certificate: 'x' }), request, undefined],
  ['for another signer', csr(client, 'system:node:n1'), request, undefined],
  ['that cannot be read', csr(kubeletClient, 'system:node:n1'), { unreadable: 'why' }, undefined],
  ['that its signer refuses', csr(kubeletClient, 'x'), foreign, undefined],
] as const)
  test(`a request ${what} is approved by ${review ? `the right to ${review}` : 'an administrator only'}`, () => {
    assert.equal(planApproval(given, read)?.review, review);
  });

const node = sparse<Node>({
  metadata: { name: 'n1' },
  status: { addresses: [{ type: 'InternalIP', address: '10.0.0.7' }] },
});
const elsewhere = { ...request, dnsNames: ['n1'], ipAddresses: ['10.0.0.1'] };
const serving = { ...request, dnsNames: ['n1'], ipAddresses: ['10.0.0.7'] };

for (const [what, given, read, owner, may] of [
  ['of a node for its own names', csr(kubeletServing, 'system:node:n1'), serving, node, true],
  ['of a node that is not there', csr(kubeletServing, 'system:node:n1'), serving, undefined, false],
  ['of another user', csr(kubeletServing, 'jane'), serving, node, false],
  ['that was denied', csr(kubeletServing, 'system:node:n1', decided), serving, node, false],
  ['for another address', csr(kubeletServing, 'system:node:n1'), elsewhere, node, false],
  ['without any name', csr(kubeletServing, 'system:node:n1'), request, node, false],
  ['for another signer', csr(kubeletClient, 'system:node:n1'), serving, node, false],
  ['that cannot be read', csr(kubeletServing, 'system:node:n1'), { unreadable: 'why' }, node, false],
] as const)
  test(`a serving certificate: a request ${what} is ${may ? '' : 'not '}approved`, () => {
    assert.equal(maySelfServe(given, read, owner), may);
  });
