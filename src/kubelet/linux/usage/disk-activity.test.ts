import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDiskActivities } from './disk-activity.ts';

test('disk activity is found by the name that the disk is mounted by', () => {
  const text =
    '   8       0 sda 10 2 300 4000 50 6 700 8000 9 10000 11000 0 0 0 0 1 2\n 253       1 vda1 1 0 8 1 0 0 0 0 0 1 1\n';
  const activities = parseDiskActivities(text);
  assert.deepEqual([...activities.keys()], ['/dev/sda', '/dev/vda1']);
  assert.deepEqual(activities.get('/dev/sda'), {
    reads: 10,
    readsMerged: 2,
    sectorsRead: 300,
    readSeconds: 4,
    writes: 50,
    writesMerged: 6,
    sectorsWritten: 700,
    writeSeconds: 8,
    underWay: 9,
    busySeconds: 10,
    weightedSeconds: 11,
  });
});
