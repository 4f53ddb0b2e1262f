import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateSigningRequest } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { signers } from './csr-request.ts';
import { planSigning, validityOf } from './csr-signing.ts';

const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;
const backdateMs = 300_000;

/** what is asked for, when the authority ends; when the certificate ends; all from now */
const rows: [string, number | undefined, number, number][] = [
  ['an hour is given in full', 3_600, yearMs, hourMs],
  ['ten minutes are the least', 1, yearMs, 600_000],
  ['eight hours begin before now', 8 * 3_600, yearMs, 8 * hourMs - backdateMs],
  ['a year is what nobody asks for', undefined, 2 * yearMs, yearMs - backdateMs],
  ['a year is the most', 3 * 365 * 86_400, 9 * yearMs, yearMs - backdateMs],
  ['no certificate outlives its authority', undefined, hourMs, hourMs],
];
for (const [title, askedSeconds, authorityEndMs, endMs] of rows)
  test(title, () => {
    const nowMs = Date.parse('2030-01-01T00:00:00Z');
    assert.deepEqual(validityOf(askedSeconds, nowMs + authorityEndMs, nowMs), {
      notBefore: new Date(nowMs - backdateMs),
      notAfter: new Date(nowMs + endMs),
    });
  });

test('an authority that has ended signs nothing', () => {
  const nowMs = Date.parse('2030-01-01T00:00:00Z');
  assert.throws(
    () => validityOf(3_600, nowMs - 1_000, nowMs),
    /the signer has expired: NotAfter=2029-12-31T23:59:59/,
  );
});

type Usages = NonNullable<CertificateSigningRequest['spec']['usages']>;
const asked = (usages: Usages) =>
  sparse<CertificateSigningRequest>({
    spec: { signerName: signers.client, usages, expirationSeconds: 3_600 },
    status: { conditions: [{ type: 'Approved', status: 'True' }] },
  });
const readable = {
  commonName: 'jane',
  organizations: [],
  dnsNames: [],
  ipAddresses: [],
  emailAddresses: [],
  uris: [],
};
const times = {
  authorityEndMs: Date.parse('2031-01-01T00:00:00Z'),
  nowMs: Date.parse('2030-01-01T00:00:00Z'),
};

test('an approved request is signed with the usages that it names, for as long as it asks', () => {
  assert.deepEqual(planSigning(asked(['client auth', 'digital signature']), readable, times), {
    options: {
      usages: ['client'],
      keyUsages: ['client auth', 'digital signature'],
      notBefore: new Date(times.nowMs - backdateMs),
      notAfter: new Date(times.nowMs + hourMs),
    },
  });
});

for (const [what, csr, request, message] of [
  [
    'for another usage',
    asked(['server auth']),
    readable,
    'invalid usage for client certificate: server auth',
  ],
  ['that cannot be read', asked(['client auth']), { unreadable: 'no PEM' }, 'no PEM'],
] as const)
  test(`a request ${what} fails, and stays approved`, () => {
    const plan = planSigning(csr, request, times);
    const conditions = 'refused' in plan ? plan.refused.conditions : undefined;
    assert.deepEqual(
      conditions?.map(({ type, reason }) => [type, reason]),
      [
        ['Approved', undefined],
        ['Failed', 'SignerValidationFailure'],
      ],
    );
    assert.deepEqual(
      [conditions?.[1]?.message, conditions?.[1]?.lastUpdateTime],
      [message, '2030-01-01T00:00:00Z'],
    );
  });

test('an authority that has ended refuses nothing: the request waits', () => {
  assert.throws(
    () => planSigning(asked(['client auth']), readable, { ...times, authorityEndMs: times.nowMs }),
    /the signer has expired/,
  );
});
