import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodTemplateSpec } from '../../types/core-v1.gen.ts';
import { validatePodAnnotations, validatePodAnnotationUpdate } from './annotations.ts';

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

test('profiles in annotations are ones that can be, of containers that are there', () => {
  const [ofPod, ofContainer] = [
    'seccomp.security.alpha.kubernetes.io/pod',
    'container.seccomp.security.alpha.kubernetes.io/c',
  ];
  const appArmor = (name: string) => `container.apparmor.security.beta.kubernetes.io/${name}`;
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  for (const profile of ['runtime/default', 'docker/default', 'unconfined', 'localhost/a/b'])
    assert.deepEqual(errorsOf(pod({ [ofPod]: profile, [ofContainer]: profile })), []);
  assert.deepEqual(errorsOf(pod({ [ofPod]: 'x', [ofContainer]: 'localhost/../a' })), [
    `metadata.annotations.${ofPod}: Invalid value: "x": must be a valid seccomp profile`,
    `metadata.annotations.${ofContainer}: Invalid value: "../a": must not contain '..'`,
  ]);
  for (const profile of ['', 'runtime/default', 'unconfined', 'localhost/a'])
    assert.deepEqual(errorsOf(pod({ [appArmor('c')]: profile }, spec)), []);
  assert.deepEqual(errorsOf(pod({ [appArmor('d')]: 'x' }, spec)), [
    `metadata.annotations[${appArmor('d')}]: Invalid value: "d": container not found`,
    `metadata.annotations[${appArmor('d')}]: Invalid value: "x": invalid AppArmor profile name: "x"`,
  ]);
});

test('what a node reads when it starts a pod does not change', () => {
  const appArmor = 'container.apparmor.security.beta.kubernetes.io/c';
  const update = (next: Record<string, string>, old: Record<string, string>) =>
    [...validatePodAnnotationUpdate(pod(next), pod(old), 'metadata.annotations')].map(({ text }) => text);
  assert.deepEqual(update({ a: '1', [mirror]: 'x' }, { a: '2', [mirror]: 'x' }), []);
  assert.deepEqual(update({ [appArmor]: 'unconfined' }, { [mirror]: 'x' }), [
    `metadata.annotations[${mirror}]: Forbidden: may not remove or update mirror pod annotation`,
    `metadata.annotations[${appArmor}]: Forbidden: may not add AppArmor annotations`,
  ]);
});
