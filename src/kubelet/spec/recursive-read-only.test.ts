import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VolumeMount } from '../../api/types/core-v1.gen.ts';
import { isRecursivelyReadOnly, recursiveReadOnlyStatus } from './recursive-read-only.ts';

const rows: [mount: Partial<VolumeMount>, isSupported: boolean, expected: boolean | string][] = [
  [{ readOnly: true }, true, false],
  [{ readOnly: true, recursiveReadOnly: 'Disabled' }, true, false],
  [{ readOnly: true, recursiveReadOnly: 'IfPossible' }, true, true],
  [{ readOnly: true, recursiveReadOnly: 'IfPossible' }, false, false],
  [{ readOnly: true, recursiveReadOnly: 'Enabled' }, true, true],
  [{ readOnly: true, recursiveReadOnly: 'Enabled', mountPropagation: 'None' }, true, true],
  [{ readOnly: true, recursiveReadOnly: 'Enabled' }, false, 'it is not supported by the runtime'],
  [{ recursiveReadOnly: 'Enabled' }, true, 'it is not read-only'],
  [
    { readOnly: true, recursiveReadOnly: 'Enabled', mountPropagation: 'HostToContainer' },
    true,
    'it is not compatible with propagation "HostToContainer"',
  ],
];
for (const [change, isSupported, expected] of rows) {
  const mount = { name: 'v', mountPath: '/v', ...change };
  const runtime = isSupported ? 'a runtime that can' : 'a runtime that cannot';
  test(`read-only down to the last: ${JSON.stringify(change)} with ${runtime} is ${expected}`, () => {
    if (typeof expected === 'boolean') assert.equal(isRecursivelyReadOnly(mount, { isSupported }), expected);
    else
      assert.throws(() => isRecursivelyReadOnly(mount, { isSupported }), {
        message: `failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but ${expected}`,
      });
    const status = expected === true ? 'Enabled' : 'Disabled';
    assert.equal(recursiveReadOnlyStatus(mount, { isSupported }), status);
  });
}
