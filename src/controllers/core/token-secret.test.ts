import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Secret, ServiceAccount } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { filledSecret, planTokenSecret } from './token-secret.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const uidAnnotation = 'kubernetes.io/service-account.uid';
const whole = { token: base64('t'), namespace: base64('shop'), 'ca.crt': base64('PEM') };
const secret = (data: Record<string, string> | undefined, uid?: string) =>
  sparse<Secret>({
    metadata: {
      name: 's',
      namespace: 'shop',
      annotations: { mine: 'x', ...(uid && { [uidAnnotation]: uid }) },
    },
    data,
  });
const account = (uid: string) =>
  sparse<ServiceAccount>({ metadata: { name: 'bot', namespace: 'shop', uid } });

for (const [what, given, owner, expected] of [
  ['whose account is gone', secret(whole, 'u1'), undefined, 'delete'],
  ['never filled, whose account does not exist', secret(undefined), undefined, 'delete'],
  ['of an earlier account of the name', secret(whole, 'u0'), account('u1'), 'delete'],
  ['that is new', secret(undefined), account('u1'), 'fill'],
  ['that is whole', secret(whole, 'u1'), account('u1'), 'keep'],
  ['without its token', secret({ ...whole, token: '' }, 'u1'), account('u1'), 'fill'],
  ['without its namespace', secret({ ...whole, namespace: '' }, 'u1'), account('u1'), 'fill'],
  ['with another authority', secret({ ...whole, 'ca.crt': base64('OLD') }, 'u1'), account('u1'), 'fill'],
  ['that does not say whose it is', secret(whole), account('u1'), 'fill'],
] as const)
  test(`a secret for a token ${what}: ${expected}`, () => {
    assert.equal(planTokenSecret(given, owner, 'PEM'), expected);
  });

test('a filled secret keeps what else it has, and its token where it has one', () => {
  const kept = filledSecret(secret({ more: 'm', token: base64('t') }), {
    uid: 'u1',
    token: undefined,
    ca: 'PEM',
  });
  assert.deepEqual(kept.data, { more: 'm', ...whole });
  assert.deepEqual(kept.metadata.annotations, { mine: 'x', [uidAnnotation]: 'u1' });
  const fresh = filledSecret(secret(undefined), { uid: 'u1', token: 'new', ca: 'PEM' });
  assert.deepEqual(fresh.data, { ...whole, token: base64('new') });
  assert.equal(planTokenSecret(fresh, account('u1'), 'PEM'), 'keep');
});
