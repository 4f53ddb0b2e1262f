import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceClass } from '../resources.gen.ts';
import { classesByResource } from './extended-resources.ts';

function deviceClass(name: string, extendedResourceName?: string, second = 0): DeviceClass {
  const creationTimestamp = `2026-01-01T00:00:0${second}Z`;
  return {
    metadata: { name, creationTimestamp },
    spec: { ...(extendedResourceName && { extendedResourceName }) },
  } as DeviceClass;
}

function provider(resource: string, classes: DeviceClass[]): string | undefined {
  const [one, other] = [classes, [...classes].reverse()].map(
    (order) => classesByResource(order).get(resource)?.metadata.name,
  );
  assert.equal(one, other, 'the order does not matter');
  return one;
}

test('a class provides a resource of its own name, and the one that it names', () => {
  const classes = [deviceClass('gpu', 'example.com/gpu'), deviceClass('nic')];
  assert.equal(provider('example.com/gpu', classes), 'gpu');
  assert.equal(provider('deviceclass.resource.kubernetes.io/gpu', classes), 'gpu');
  assert.equal(provider('deviceclass.resource.kubernetes.io/nic', classes), 'nic');
  assert.equal(provider('example.com/nic', classes), undefined);
  assert.equal(provider('gpu', classes), undefined);
});

test('of classes that name the same resource the newest provides it, then the first by name', () => {
  const name = 'example.com/gpu';
  assert.equal(provider(name, [deviceClass('a', name, 1), deviceClass('b', name, 2)]), 'b');
  assert.equal(provider(name, [deviceClass('b', name), deviceClass('a', name)]), 'a');
});
