import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detachedSignature } from './bootstrap-tokens.ts';

test('the signature of a token is the one that upstream makes', () => {
  assert.equal(
    detachedSignature('x', { id: 'bbbbbb', secret: '0123456789abcdef' }),
    'eyJhbGciOiJIUzI1NiIsImtpZCI6ImJiYmJiYiJ9..9Ua5RH7KaNkJLkes5Fs8MR9_qfZu9aB2V_D-EA9E1gc',
  );
});
