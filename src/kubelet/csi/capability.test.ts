import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGivenToGroup, volumeCapability } from './capability.ts';

const plain = {
  accessMode: 'ReadWriteOnce',
  isBlock: false,
  fsType: undefined,
  mountFlags: [],
  mountGroup: undefined,
  knowsSingleWriters: false,
};

test("a volume's access modes become CSI's, and finer ones for a driver that knows single writers", () => {
  const rows: [mode: string, known: string, old: string][] = [
    ['ReadWriteOnce', 'SINGLE_NODE_MULTI_WRITER', 'SINGLE_NODE_WRITER'],
    ['ReadWriteOncePod', 'SINGLE_NODE_SINGLE_WRITER', 'SINGLE_NODE_WRITER'],
    ['ReadOnlyMany', 'MULTI_NODE_READER_ONLY', 'MULTI_NODE_READER_ONLY'],
    ['ReadWriteMany', 'MULTI_NODE_MULTI_WRITER', 'MULTI_NODE_MULTI_WRITER'],
  ];
  const modeOf = (accessMode: string, knowsSingleWriters: boolean) =>
    volumeCapability({ ...plain, accessMode, knowsSingleWriters }).accessMode.mode;
  for (const [mode, known, old] of rows)
    assert.deepEqual([modeOf(mode, true), modeOf(mode, false)], [known, old], mode);
});

test('a file system has its type, flags and group, a device has none', () => {
  const full = { ...plain, fsType: 'xfs', mountFlags: ['noatime'], mountGroup: 7 };
  const accessMode = { mode: 'SINGLE_NODE_WRITER' };
  assert.deepEqual(volumeCapability(full), {
    mount: { fsType: 'xfs', mountFlags: ['noatime'], volumeMountGroup: '7' },
    accessMode,
  });
  assert.deepEqual(volumeCapability(plain), { mount: {}, accessMode });
  assert.deepEqual(volumeCapability({ ...full, isBlock: true }), { block: {}, accessMode });
});

test('the policy of a driver says whose group its volumes get', () => {
  const once = { fsType: 'ext4', accessModes: ['ReadWriteOnce'], readOnly: false };
  const rows: [policy: string | undefined, volume: typeof once | object, given: boolean][] = [
    [undefined, {}, true],
    ['ReadWriteOnceWithFSType', {}, true],
    ['ReadWriteOnceWithFSType', { accessModes: ['ReadWriteOncePod'] }, true],
    ['ReadWriteOnceWithFSType', { fsType: undefined }, false],
    ['ReadWriteOnceWithFSType', { accessModes: ['ReadWriteMany'] }, false],
    ['File', { fsType: undefined, accessModes: ['ReadWriteMany'] }, true],
    ['File', { readOnly: true }, false],
    ['None', {}, false],
  ];
  for (const [policy, more, given] of rows)
    assert.equal(isGivenToGroup(policy, { ...once, ...more }), given, `${policy} ${JSON.stringify(more)}`);
});
