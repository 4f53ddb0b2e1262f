import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indentJson, prettyFor, wantsPretty } from './pretty.ts';

function requestOf(agent: string, search = '') {
  return {
    query: new URLSearchParams(search),
    header: (name: string) => (name === 'user-agent' ? agent : undefined),
  };
}

test('browsers, curl and wget get indented answers, programs get them when they ask', () => {
  assert.equal(wantsPretty(requestOf('curl/7.88.1')), true);
  assert.equal(wantsPretty(requestOf('Mozilla/5.0 (X11)')), true);
  assert.equal(wantsPretty(requestOf('Wget/1.21')), true);
  assert.equal(wantsPretty(requestOf('kubectl/v1.32.4')), false);
  assert.equal(wantsPretty(requestOf('kubectl/v1.32.4', 'pretty=true')), true);
  assert.equal(wantsPretty(requestOf('curl/7.88.1', 'pretty=false')), false);
});

test('indented JSON says the same, digit by digit', () => {
  const value = { a: 'x{,:}"\\', empty: {}, none: [], list: [1, { b: null }], deep: { c: { d: [true] } } };
  assert.equal(indentJson(`${JSON.stringify(value)}\n`), JSON.stringify(value, null, 2));
  assert.equal(
    indentJson('{"n":9223372036854775807,"2":0,"1":0}'),
    '{\n  "n": 9223372036854775807,\n  "2": 0,\n  "1": 0\n}',
  );
});

test('only JSON is indented', () => {
  const yaml = { contentType: 'application/yaml', body: Buffer.from('a: {}\n') };
  assert.equal(prettyFor(requestOf('curl/8'), yaml), yaml);
});
