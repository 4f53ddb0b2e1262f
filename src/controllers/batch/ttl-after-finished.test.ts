import assert from 'node:assert/strict';
import { test } from 'node:test';
import { job, nowMs } from '../objects.fixture.ts';
import { timeLeftMs } from './ttl-after-finished.ts';

const ended = (type: string, status = 'True') => ({
  conditions: [{ type, status, lastTransitionTime: '2026-01-01T00:59:00Z' }],
});

for (const [what, ttl, status, expected] of [
  ['that runs', 10, {}, undefined],
  ['that is complete', 90, ended('Complete'), 30_000],
  ['that failed', 90, ended('Failed'), 30_000],
  ['whose time is over', 10, ended('Complete'), 0],
  ['that has no time', 0, ended('Complete'), 0],
  ['that stays', undefined, ended('Complete'), undefined],
  ['that is about to fail', 10, ended('FailureTarget'), undefined],
  ['that has not failed', 10, ended('Failed', 'False'), undefined],
] as const)
  test(`a job ${what} is deleted in ${expected} ms`, () => {
    const given = job(ttl === undefined ? {} : { ttlSecondsAfterFinished: ttl }, status);
    assert.equal(timeLeftMs(given, nowMs), expected);
  });
