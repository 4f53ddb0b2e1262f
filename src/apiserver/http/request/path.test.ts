import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizedName, parsePath } from './path.ts';

function nameOf(method: string, path: string, search = ''): string {
  const query = new URLSearchParams(search);
  return authorizedName(parsePath(method, path, query), query);
}

test('a list or watch that selects one name is authorized for that object', () => {
  const path = '/api/v1/namespaces/default/configmaps';
  assert.equal(nameOf('GET', path, 'fieldSelector=metadata.name%3Dconfig'), 'config');
  assert.equal(nameOf('GET', path, 'watch=1&fieldSelector=metadata.name%3Dconfig'), 'config');
  assert.equal(nameOf('GET', path, 'fieldSelector=metadata.name!%3Dconfig'), '');
  assert.equal(nameOf('GET', path, 'fieldSelector=metadata.name'), '');
  assert.equal(nameOf('GET', path), '');
  assert.equal(nameOf('POST', path, 'fieldSelector=metadata.name%3Dconfig'), '');
  assert.equal(nameOf('GET', `${path}/other`, 'fieldSelector=metadata.name%3Dconfig'), 'other');
});

test('a namespace that is left empty means all of them', () => {
  const { resource, namespace, verb } = parsePath('GET', '/api/v1/namespaces//pods', new URLSearchParams());
  assert.deepEqual([resource, namespace, verb], ['pods', '', 'list']);
  const itself = parsePath('GET', '/api/v1/namespaces/', new URLSearchParams());
  assert.deepEqual([itself.resource, itself.verb], ['namespaces', 'list']);
});

test('below the old path of watches every method is a watch', () => {
  const path = '/api/v1/watch/namespaces/default/pods';
  for (const method of ['GET', 'DELETE', 'POST'])
    assert.equal(parsePath(method, path, new URLSearchParams()).verb, 'watch');
});
