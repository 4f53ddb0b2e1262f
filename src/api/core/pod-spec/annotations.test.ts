import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodTemplateSpec } from '../../types/core-v1.gen.ts';
import { validatePodAnnotations } from './annotations.ts';

const cost = 'controller.kubernetes.io/pod-deletion-cost';
const mirror = 'kubernetes.io/config.mirror';
const pod = (annotations: Record<string, string>, spec: object = {}) =>
  ({ metadata: { annotations }, spec }) as PodTemplateSpec;
const errorsOf = (...args: [PodTemplateSpec, PodTemplateSpec?]) =>
  [...validatePodAnnotations(args[0], 'metadata.annotations', args[1])].map(({ text }) => text);

test('the deletion cost of a pod is a whole number of 32 bits', () => {
  for (const text of ['0', '-1', '2147483647', '-2147483648', '-0'])
    assert.deepEqual(errorsOf(pod({ [cost]: text })), [], text);
  for (const text of ['', 'abc', '+1', '01', '1.5', '2147483648', '1e3'])
    assert.deepEqual(errorsOf(pod({ [cost]: text })), [
      `metadata.annotations[${cost}]: Invalid value: "${text}": must be a 32bit integer`,
    ]);
});

test('a cost that was wrong before may stay, one that was right may not become wrong', () => {
  assert.deepEqual(errorsOf(pod({ [cost]: 'abc' }), pod({ [cost]: 'xyz' })), []);
  assert.equal(errorsOf(pod({ [cost]: 'abc' }), pod({ [cost]: '1' })).length, 1);
  assert.equal(errorsOf(pod({ [cost]: 'abc' }), pod({})).length, 1);
});

test('a mirror of a static pod has its node', () => {
  assert.deepEqual(errorsOf(pod({ [mirror]: 'x' })), [
    `metadata.annotations[${mirror}]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set`,
  ]);
  assert.deepEqual(errorsOf(pod({ [mirror]: 'x' }, { nodeName: 'n' })), []);
});
