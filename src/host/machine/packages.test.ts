import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError } from '../../base/system/command.ts';
import { explainFailure, missingRequirements } from './packages.ts';

test('missing things are found by programs, not by packages', () => {
  const missing = (...programs: string[]) =>
    missingRequirements([{ package: 'p', purpose: '', programs }], '/nowhere').length === 1;
  assert.equal(missing('sh'), false);
  assert.equal(missing('sh', 'no-such-program'), true);
});

test('failures of apt are explained with what to do', () => {
  const rows: [string, RegExp, RegExp][] = [
    ['E: Could not get lock /var/lib/dpkg/lock-frontend', /holds the package lock/, /wait/],
    ['Temporary failure resolving "packages.example"', /cannot be reached/, /network/],
    ['E: Unable to locate package nftables', /do not know a package/, /sources.list/],
    [
      'E: dpkg was interrupted, you must manually run dpkg --configure -a',
      /half-finished/,
      /dpkg --configure -a/,
    ],
    ['write failed: No space left on device', /disk is full/, /make room/],
    ['something else', /something else/, /by hand/],
  ];
  for (const [stderr, message, advice] of rows) {
    const failure = explainFailure(new CommandError('apt-get install', 100, stderr), 'install them by hand');
    assert.match(failure.message, message);
    assert.match(failure.advice ?? '', advice);
  }
});
