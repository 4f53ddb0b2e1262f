import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateSigningRequest } from '../../api/resources.gen.ts';
import type { ParsedSigningRequest } from '../../base/x509/pki.ts';
import { findRefusal, signers } from './csr-request.ts';

const node: ParsedSigningRequest = {
  commonName: 'system:node:n1',
  organizations: ['system:nodes'],
  dnsNames: [],
  ipAddresses: [],
  emailAddresses: [],
  uris: [],
};
const served = { ...node, dnsNames: ['n1'] };
const [signature, encipherment] = ['digital signature', 'key encipherment'];
const refusal = (signerName: string, usages: string[], request: ParsedSigningRequest) =>
  findRefusal({ spec: { signerName, usages } } as CertificateSigningRequest, request);

/** signer, usages, request; why it is refused */
const rows: [string, string[], ParsedSigningRequest, string | undefined][] = [
  [signers.client, ['client auth'], node, undefined],
  [signers.client, ['client auth', signature!, encipherment!], node, undefined],
  [signers.client, ['server auth'], node, 'invalid usage for client certificate: server auth'],
  [signers.client, [signature!], node, 'missing required usage for client certificate: client auth'],
  [signers.kubeletClient, [signature!, 'client auth'], node, undefined],
  [signers.kubeletClient, [encipherment!, signature!, 'client auth'], node, undefined],
  [
    signers.kubeletClient,
    ['client auth'],
    node,
    'usages did not match [client auth digital signature key encipherment]',
  ],
  [
    signers.kubeletClient,
    [signature!, 'client auth'],
    { ...node, organizations: [] },
    'subject organization is not system:nodes',
  ],
  [
    signers.kubeletClient,
    [signature!, 'client auth'],
    { ...node, commonName: 'n1' },
    'subject common name does not begin with system:node:',
  ],
  [signers.kubeletClient, [signature!, 'client auth'], served, 'DNS subjectAltNames are not allowed'],
  [signers.kubeletServing, [signature!, 'server auth'], served, undefined],
  [signers.kubeletServing, [signature!, 'server auth'], node, 'DNS or IP subjectAltName is required'],
  [
    signers.kubeletServing,
    [signature!, 'server auth'],
    { ...served, uris: ['spiffe://n1'] },
    'URI subjectAltNames are not allowed',
  ],
  [
    signers.kubeletServing,
    [signature!, 'client auth'],
    served,
    'usages did not match [digital signature key encipherment server auth]',
  ],
  [signers.legacy, ['server auth'], node, undefined],
];
for (const [signer, usages, request, why] of rows)
  test(`${signer} for ${usages} of ${request.commonName} ${why ? `is refused: ${why}` : 'is signed'}`, () => {
    assert.equal(refusal(signer, usages, request), why);
  });
