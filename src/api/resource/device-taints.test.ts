import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { DeviceTaintRule } from '../resources.gen.ts';
import type { DeviceTaint, DeviceToleration } from '../types/resource-v1.gen.ts';
import { isSelectedBy, toleratesDeviceTaint } from './device-taints.ts';

const taint: DeviceTaint = { key: 'broken', value: 'fan', effect: 'NoExecute' };

const tolerations: [string, DeviceToleration, boolean][] = [
  ['its key, whatever the value', { key: 'broken', operator: 'Exists' }, true],
  ['its key and value', { key: 'broken', operator: 'Equal', value: 'fan' }, true],
  ['its key and value, as no operator means', { key: 'broken', value: 'fan' }, true],
  ['another value', { key: 'broken', operator: 'Equal', value: 'disk' }, false],
  ['no value', { key: 'broken', operator: 'Equal' }, false],
  ['its value under any key', { operator: 'Equal', value: 'fan' }, true],
  ['another key', { key: 'slow', operator: 'Exists' }, false],
  ['everything', { operator: 'Exists' }, true],
  ['everything of its effect', { operator: 'Exists', effect: 'NoExecute' }, true],
  ['everything of another effect', { operator: 'Exists', effect: 'NoSchedule' }, false],
];
for (const [what, toleration, expected] of tolerations)
  test(`a taint is ${expected ? '' : 'not '}covered by a toleration of ${what}`, () => {
    assert.equal(toleratesDeviceTaint(toleration, taint), expected);
  });

const address = { driver: 'gpu.example.com', pool: 'a/b', device: 'gpu-0' };
const selectors: [string, DeviceTaintRule['spec']['deviceSelector'], boolean][] = [
  ['without a selector', undefined, false],
  ['with an empty selector', {}, true],
  ['for all three parts', address, true],
  ['for another device', { ...address, device: 'gpu-1' }, false],
  ['for another pool', { pool: 'a' }, false],
  ['for another driver', { driver: 'nic.example.com' }, false],
];
for (const [what, deviceSelector, expected] of selectors)
  test(`a rule ${what} ${expected ? 'taints' : 'leaves'} the device`, () => {
    const rule = sparse<DeviceTaintRule>({ spec: { deviceSelector, taint } });
    assert.equal(isSelectedBy(rule, address), expected);
  });
