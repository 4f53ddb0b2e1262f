import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../host/failure.ts';
import { checkNamedFiles, readNamedFile } from './named-files.ts';

const here = fileURLToPath(import.meta.url);

test('a file that an option names is read, or the error names the option and the reason', () => {
  assert.match(readNamedFile('--kubelet-config', here), /readNamedFile/);
  assert.throws(
    () => readNamedFile('--kubelet-config', '/nowhere/k.yaml'),
    (error: Failure) =>
      error instanceof Failure &&
      error.message === '--kubelet-config: cannot read /nowhere/k.yaml: no such file or directory',
  );
  assert.throws(
    () => readNamedFile('--kubelet-config', '/'),
    /cannot read \/: illegal operation on a directory/,
  );
});

test('only files of options that are given are looked at', () => {
  checkNamedFiles({ a: here, b: undefined, c: '' }, ['a', 'b', 'c', 'd']);
  assert.throws(
    () => checkNamedFiles({ a: here, b: '/nowhere' }, ['a', 'b']),
    /^Failure: --b: cannot read \/nowhere/,
  );
});
