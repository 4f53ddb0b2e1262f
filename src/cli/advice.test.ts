import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../host/failure.ts';
import { adviceOn } from './advice.ts';

const systemError = (code: string, syscall: string) => Object.assign(new Error(code), { code, syscall });

const cases: [string, Error, RegExp | undefined][] = [
  ['what the failure itself says', new Failure('no', { advice: 'do this', logFile: '/log' }), /^do this$/],
  [
    'a log is to be read',
    new Failure('containerd ended at once', { logFile: '/log' }),
    /^fix what the log reports/,
  ],
  ['a failure may say all in its message', new Failure('no such node'), undefined],
  ['a full disk wants room', systemError('ENOSPC', 'write'), /^make room below \/data,/],
  ['too many watchers are no full disk', systemError('ENOSPC', 'watch'), undefined],
  ['of a defect nothing is known', new TypeError('x is not a function'), undefined],
];

for (const [name, error, expected] of cases)
  test(name, () => {
    const advice = adviceOn(error, '/data');
    if (expected) assert.match(advice ?? '', expected);
    else assert.equal(advice, undefined);
  });
