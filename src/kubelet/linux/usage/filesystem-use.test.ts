import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountedDevice } from './filesystem-use.ts';

test('the device of a file system is the source of the mount with its number', () => {
  const mountinfo = [
    '22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw',
    '30 22 0:300 / /data rw - tmpfs scratch rw,size=1024k',
  ].join('\n');
  assert.equal(mountedDevice(mountinfo, (254 << 8) | 1), '/dev/vda1');
  // Minor numbers above 255 have their upper part above the major one.
  assert.equal(mountedDevice(mountinfo, (300 & 0xff) | ((300 & ~0xff) << 12)), 'scratch');
  assert.equal(mountedDevice(mountinfo, 5), undefined);
});
