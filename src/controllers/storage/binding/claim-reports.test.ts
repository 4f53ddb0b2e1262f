import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { planReport } from './claim-reports.ts';

const claim = (resourceVersion: string, uid = 'u') =>
  sparse<PersistentVolumeClaim>({ metadata: { name: 'data', uid, resourceVersion } });
const event = (message: string) => ({ type: 'Warning' as const, reason: 'ProvisioningFailed', message });
const last = planReport(claim('1'), event('no class'), undefined, 1_000).report;

for (const [what, given, message, nowMs, isDue, againInMs] of [
  ['the same again', claim('1'), 'no class', 9_000, false, 7_000],
  ['the same, just before its time', claim('1'), 'no class', 15_999, false, 1],
  ['the same, when all claims are looked at', claim('1'), 'no class', 16_000, true, 15_000],
  ['another reason', claim('1'), 'no plugin', 1_001, true, 15_000],
  ['the same of a claim that was changed', claim('2'), 'no class', 1_001, true, 15_000],
  ['the same of a claim that was made again', claim('1', 'v'), 'no class', 1_001, true, 15_000],
] as const)
  test(`of a claim that waits, ${what} is ${isDue ? '' : 'not '}reported`, () => {
    const plan = planReport(given, event(message), last, nowMs);
    assert.equal(plan.report !== undefined, isDue);
    assert.equal(plan.againInMs, againInMs);
    if (plan.report) assert.equal(plan.report.atMs, nowMs);
  });
