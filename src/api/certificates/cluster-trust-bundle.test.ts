import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { clusterTrustBundleKind } from './cluster-trust-bundle.ts';

const authority = await createAuthority('a');
const other = await createAuthority('b');
const leaf = await issueCertificate(authority, { commonName: 'leaf', usages: ['server'] });

/** What is wrong with a new bundle. */
function problemsOf(trustBundle: string, { name = 'anchors', signerName = '' } = {}): string[] {
  const bundle = {
    apiVersion: 'certificates.k8s.io/v1beta1',
    kind: 'ClusterTrustBundle',
    metadata: { name },
    spec: { trustBundle, ...(signerName && { signerName }) },
  };
  const context = { subresource: '', isUpdate: false } as const;
  return [...clusterTrustBundleKind.validate!(bundle as never, context as never)].map(
    ({ field, detail }) => `${field}: ${detail}`,
  );
}

const ofAnchors = (why: string) => `spec.trustBundle: Invalid value: "<value omitted>": ${why}`;

test('anchors are certificates of authorities, each of them once, whatever stands between them', () => {
  const withHeader = authority.cert.replace('-----\n', '-----\nKey: value\n\n');
  const block = (type: string, body: string) => `-----BEGIN ${type}-----\n${body}\n-----END ${type}-----\n`;
  const rows: [text: string, problems: string[]][] = [
    [authority.cert, []],
    [`the first:\n${authority.cert}\nand another:\n${other.cert}`, []],
    ['', [ofAnchors('at least one trust anchor must be provided')]],
    [block('CERTIFICATE', 'AAA'), [ofAnchors('at least one trust anchor must be provided')]],
    [`${authority.cert}\n${block('X', 'AAAA')}`, [ofAnchors('entry 1 has bad block type: X')]],
    [withHeader, [ofAnchors('entry 0 has PEM block headers')]],
    [block('CERTIFICATE', 'AAAA'), [ofAnchors('entry 0 does not parse as X.509')]],
    [leaf.cert, [ofAnchors('entry 0 does not have the CA bit set')]],
    [
      [authority, other, authority].map(({ cert }) => cert).join('\n'),
      [ofAnchors('duplicate trust anchor (indices [0 2])')],
    ],
  ];
  for (const [text, problems] of rows) assert.deepEqual(problemsOf(text), problems, text);
});

test('a bundle of a signer has its name in its own', () => {
  const named = (name: string, signerName = '') => problemsOf(authority.cert, { name, signerName });
  assert.deepEqual(named('d.io:s:mine', 'd.io/s'), []);
  assert.deepEqual(named('mine', 'd.io/s'), [
    'metadata.name: Invalid value: "mine": ClusterTrustBundle for signerName d.io/s must be named with prefix d.io:s:',
  ]);
  assert.deepEqual(named('d.io:s:mine'), [
    'metadata.name: Invalid value: "d.io:s:mine": ClusterTrustBundle without signer name must not have ":" in its name',
  ]);
});
