import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume, VolumeAttachment } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { pod } from '../../objects.fixture.ts';
import { LastReports, planReports } from './attach-reports.ts';

const volume = sparse<PersistentVolume>({ metadata: { name: 'v' } });
const waiting = pod('waiting', { node: 'n1', phase: 'Pending' });
const running = pod('running', { node: 'n1' });
const users = new Map([['n1', [waiting, running]]]);
const attachment = (status: object) =>
  sparse<VolumeAttachment>({ spec: { nodeName: 'n1', attacher: 'd', source: {} }, status });

const words = (reports: ReturnType<typeof planReports>) =>
  reports.map(({ reason, message, pods }) => [reason, message, pods.map(({ metadata }) => metadata.name)]);

for (const [what, status, expected] of [
  [
    'attached',
    { attached: true },
    ['SuccessfulAttachVolume', 'AttachVolume.Attach succeeded for volume "v" '],
  ],
  [
    'that cannot be attached',
    { attached: false, attachError: { message: 'no such disk' } },
    ['FailedAttachVolume', 'AttachVolume.Attach failed for volume "v" : no such disk'],
  ],
] as const)
  test(`pods that wait for a volume ${what} learn of it`, () => {
    assert.deepEqual(words(planReports(volume, users, [attachment(status)], [])), [
      [...expected, ['waiting']],
    ]);
  });

test('of an attachment under way nothing is reported, of one that is blocked to all of its pods', () => {
  assert.deepEqual(planReports(volume, users, [attachment({ attached: false })], []), []);
  const blocked = [{ pods: [waiting, running], message: 'Multi-Attach error' }];
  const [report] = planReports(volume, users, [], blocked);
  assert.deepEqual([report?.nodeName, report?.pods.length, report?.message], ['n1', 2, 'Multi-Attach error']);
});

test('what was reported is not repeated until it changes, or the last pod or the volume has gone', () => {
  const reported = new LastReports();
  const good = planReports(volume, users, [attachment({ attached: true })], []);
  const bad = planReports(volume, users, [attachment({ attachError: { message: 'x' } })], []);
  const count = (reports: typeof good, of = users) => reported.filter(volume, of, reports).length;
  assert.deepEqual([count(bad), count(bad), count(good), count(good), count(bad)], [1, 0, 1, 0, 1]);
  assert.deepEqual([count([], new Map()), count(bad)], [0, 1]);
  reported.forget('other');
  assert.equal(count(bad), 0);
  reported.forget('v');
  assert.equal(count(bad), 1, 'of a later volume of that name');
});
