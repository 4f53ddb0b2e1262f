import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap, Namespace } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planRootCa } from './root-ca.ts';
import { planServiceAccounts } from './serviceaccount.ts';

const namespace = (phase: 'Active' | 'Terminating', more: object = {}) =>
  sparse<Namespace>({ metadata: { name: 'shop', ...more }, status: { phase } });

for (const [what, given, has, created] of [
  ['in use, without one', namespace('Active'), false, ['default']],
  ['in use, with one', namespace('Active'), true, []],
  ['being emptied', namespace('Terminating'), false, []],
  ['being deleted', namespace('Active', { deletionTimestamp: '2026-01-01T00:00:00Z' }), false, []],
  ['that is gone', undefined, false, []],
] as const)
  test(`the accounts created in a namespace ${what}: ${created.length}`, () => {
    const asked: string[] = [];
    const plan = planServiceAccounts(given, (key) => {
      asked.push(key);
      return has;
    });
    assert.deepEqual(
      plan.map(({ metadata }) => metadata),
      created.map((name) => ({ name, namespace: 'shop' })),
    );
    for (const key of asked) assert.equal(key, 'shop/default');
  });

const description = 'kubernetes.io/description';
const published = (data: Record<string, string> | undefined, annotations?: Record<string, string>) =>
  sparse<ConfigMap>({ metadata: { name: 'kube-root-ca.crt', namespace: 'shop', annotations }, data });

test('the authority is published where it is missing, with a word on what it is for', () => {
  const { create, update } = planRootCa('shop', undefined, 'PEM');
  assert.equal(update, undefined);
  assert.deepEqual(create?.data, { 'ca.crt': 'PEM' });
  assert.deepEqual([create?.metadata.name, create?.metadata.namespace], ['kube-root-ca.crt', 'shop']);
  assert.match(create?.metadata.annotations?.[description] ?? '', /^Contains a CA bundle /);
});

for (const [what, present, isKept] of [
  ['as it should be', published({ 'ca.crt': 'PEM' }, { [description]: 'x' }), true],
  ['that says something else about itself', published({ 'ca.crt': 'PEM' }, { [description]: 'mine' }), true],
  ['without a description', published({ 'ca.crt': 'PEM' }), false],
  ['of another authority', published({ 'ca.crt': 'OLD' }, { [description]: 'x' }), false],
  ['with something more', published({ 'ca.crt': 'PEM', more: 'x' }, { [description]: 'x' }), false],
  ['that was emptied', published(undefined, { [description]: 'x', mine: 'y' }), false],
] as const)
  test(`a ConfigMap ${what} is ${isKept ? 'left alone' : 'repaired'}`, () => {
    const { create, update } = planRootCa('shop', present, 'PEM');
    assert.equal(create, undefined);
    if (isKept) return assert.equal(update, undefined);
    assert.deepEqual(update?.data, { 'ca.crt': 'PEM' });
    const { [description]: words, ...others } = update?.metadata.annotations ?? {};
    assert.match(words ?? '', /^Contains a CA bundle /);
    const { [description]: _, ...before } = present.metadata.annotations ?? {};
    assert.deepEqual(others, before);
  });
