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
