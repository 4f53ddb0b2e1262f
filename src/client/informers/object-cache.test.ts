import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { ObjectCache } from './object-cache.ts';

const objectOf = (name: string, labels: Record<string, string>) =>
  sparse<KubeObject>({ metadata: { name, namespace: 'default', labels } });
const labelValues = ({ metadata }: KubeObject) => Object.values(metadata.labels ?? {});
const namesIn = (cache: ObjectCache<KubeObject>, value: string) =>
  [...cache.byIndex('label', value)].map(({ metadata }) => metadata.name).sort();

test('an index follows what changes, what stays and what goes', () => {
  const cache = new ObjectCache<KubeObject>();
  cache.put(objectOf('early', { a: 'x' }));
  cache.addIndex('label', labelValues);
  cache.put(objectOf('one', { a: 'x', b: 'y' }));
  assert.deepEqual(namesIn(cache, 'x'), ['early', 'one']);
  const next = objectOf('one', { a: 'x', b: 'z' });
  cache.put(next);
  assert.deepEqual(namesIn(cache, 'x'), ['early', 'one']);
  assert.equal([...cache.byIndex('label', 'x')].at(-1), next, 'the newest state is what stands there');
  assert.deepEqual([namesIn(cache, 'y'), namesIn(cache, 'z')], [[], ['one']]);
  cache.delete('default/one');
  assert.deepEqual([namesIn(cache, 'x'), namesIn(cache, 'z')], [['early'], []]);
});
