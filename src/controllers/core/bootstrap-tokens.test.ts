import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap, Secret } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { detachedSignature, planSignatures, timeLeftMs } from './bootstrap-tokens.ts';

const nowMs = Date.parse('2026-01-01T01:00:00Z');

function token(id: string, fields: Record<string, string> = {}, more: object = {}): Secret {
  const all = {
    'token-id': id,
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-signing': 'true',
    ...fields,
  };
  const encoded = Object.entries(all).map(([name, text]) => [name, Buffer.from(text).toString('base64')]);
  return sparse<Secret>({
    type: 'bootstrap.kubernetes.io/token',
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system', ...more },
    data: Object.fromEntries(encoded),
  });
}

for (const [expiration, leftMs] of [
  ['', undefined],
  ['2026-01-01T01:01:00Z', 60_000],
  ['2026-01-01T00:59:59Z', 0],
  ['tomorrow', 0],
  // A date is no point in time.
  ['2027-01-01', 0],
] as const)
  test(`a token that expires at "${expiration}" has ${leftMs} ms left`, () => {
    assert.equal(timeLeftMs(token('aaaaaa', { expiration }), nowMs), leftMs);
  });

test('cluster-info has a signature of each token that may sign, and no other', () => {
  const tokens = [
    token('aaaaaa'),
    token('bbbbbb', { 'usage-bootstrap-signing': 'false' }),
    token('cccccc', { expiration: '2026-01-01T00:00:00Z' }),
    token('dddddd', {}, { name: 'bootstrap-token-other' }),
    token('fffffff'),
    token('eeeeee', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  ];
  const info = { kubeconfig: 'x', 'jws-kubeconfig-bbbbbb': 'old', note: 'kept' };
  const data = planSignatures(sparse<ConfigMap>({ data: info }), tokens, nowMs);
  assert.deepEqual(Object.keys(data ?? {}).sort(), ['jws-kubeconfig-aaaaaa', 'kubeconfig', 'note']);
  assert.equal(planSignatures(sparse<ConfigMap>({ data }), tokens, nowMs), undefined);
  assert.equal(planSignatures(sparse<ConfigMap>({ data: { note: 'x' } }), tokens, nowMs), undefined);
});

test('the signature of a token is the one that upstream makes', () => {
  assert.equal(
    detachedSignature('x', { id: 'bbbbbb', secret: '0123456789abcdef' }),
    'eyJhbGciOiJIUzI1NiIsImtpZCI6ImJiYmJiYiJ9..9Ua5RH7KaNkJLkes5Fs8MR9_qfZu9aB2V_D-EA9E1gc',
  );
});
