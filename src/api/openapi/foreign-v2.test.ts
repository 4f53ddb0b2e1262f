import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeDocuments, onlyPaths } from './foreign-v2.ts';

const to = (name: string) => ({ $ref: `#/definitions/${name}` });

test('with paths go the definitions that only they use, and none that nobody uses', () => {
  const document = {
    swagger: '2.0',
    paths: { '/a': { get: to('A') }, '/b': { get: to('B') } },
    definitions: {
      A: { properties: { x: to('Shared') } },
      B: { items: to('Shared') },
      Shared: {},
      Unused: {},
    },
  };
  const kept = onlyPaths(document, (path) => path === '/a');
  assert.deepEqual(Object.keys(kept.paths as object), ['/a']);
  assert.deepEqual(Object.keys(kept.definitions as object), ['A', 'Shared', 'Unused']);
  assert.deepEqual(Object.keys(document.definitions), ['A', 'B', 'Shared', 'Unused']);
});

test('the paths of the first document count, and what is merged for the others alone is left out', () => {
  const own = { paths: { '/a': { get: 1 } }, definitions: {} };
  const other = { paths: { '/a': { get: to('A') }, '/b': { get: to('B') } }, definitions: { A: {}, B: {} } };
  assert.deepEqual(mergeDocuments(own, other), {
    paths: { '/a': { get: 1 }, '/b': { get: to('B') } },
    definitions: { B: {} },
  });
  assert.equal(mergeDocuments(own, { paths: { '/a': {} }, definitions: { C: {} } }), own);
});

test('definitions and parameters of one name that differ are kept both, references following', () => {
  const own = {
    paths: {},
    definitions: { A: { type: 'string' }, A_v2: { type: 'number' }, Same: { type: 'object' } },
    parameters: { p: { name: 'p' } },
  };
  const other = {
    paths: { '/b': { get: { schema: to('A'), parameters: [{ $ref: '#/parameters/p' }] }, put: to('Same') } },
    definitions: { A: { type: 'integer' }, Same: { type: 'object' }, B: { items: to('A') } },
    parameters: { p: { name: 'other' } },
  };
  const before = structuredClone(own);
  const merged = mergeDocuments(own, other);
  assert.deepEqual(merged.paths, {
    '/b': { get: { schema: to('A_v3'), parameters: [{ $ref: '#/parameters/p_v2' }] }, put: to('Same') },
  });
  assert.deepEqual(merged.definitions, {
    ...own.definitions,
    A_v3: { type: 'integer' },
    B: { items: to('A_v3') },
  });
  assert.deepEqual(merged.parameters, { p: { name: 'p' }, p_v2: { name: 'other' } });
  assert.deepEqual(own, before);
});

test('a third document shares the new name that the second was given for the same', () => {
  const make = (path: string, type: string) => ({ paths: { [path]: to('A') }, definitions: { A: { type } } });
  const merged = [make('/b', 'integer'), make('/c', 'integer')].reduce<Record<string, unknown>>(
    mergeDocuments,
    make('/a', 'string'),
  );
  assert.deepEqual(merged.definitions, { A: { type: 'string' }, A_v2: { type: 'integer' } });
  assert.deepEqual(merged.paths, { '/a': to('A'), '/b': to('A_v2'), '/c': to('A_v2') });
});

test('a definition that is the same but for its kinds names those of both', () => {
  const key = 'x-kubernetes-group-version-kind';
  const kinds = (...groups: string[]) => groups.map((group) => ({ group, version: 'v1', kind: 'K' }));
  const make = (path: string, ...groups: string[]) => ({
    paths: { [path]: to('K') },
    definitions: { K: { type: 'object', [key]: kinds(...groups) } },
  });
  const { definitions } = mergeDocuments(make('/a', 'b', 'd'), make('/b', 'd', 'a', 'c'));
  assert.deepEqual(definitions, { K: { type: 'object', [key]: kinds('a', 'b', 'c', 'd') } });
});
