import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import {
  type DeviceClass,
  PersistentVolumeClaim,
  Pod,
  ResourceClaim,
  type ResourceQuota,
} from '../resources.gen.ts';
import { formatQuantity } from './quantity.ts';
import { concernsResource, matchesScopes, usageOf } from './quota.ts';

const claim = (spec: object, status: object = {}) =>
  ({ metadata: { name: 'c', namespace: 'ns' }, spec, status }) as PersistentVolumeClaim;

test('a claim counts for every attributes class that it asks for, has, or is being changed to', () => {
  const changing = claim(
    { volumeAttributesClassName: 'silver' },
    {
      currentVolumeAttributesClassName: 'gold',
      modifyVolumeStatus: { status: 'InProgress', targetVolumeAttributesClassName: 'bronze' },
    },
  );
  const counts = (operator: string, values: string[], object = changing) => {
    const scope = { scopeName: 'VolumeAttributesClass', operator, ...(values.length > 0 && { values }) };
    const quota = { spec: { scopeSelector: { matchExpressions: [scope] } } } as ResourceQuota;
    return matchesScopes(quota, PersistentVolumeClaim, object);
  };
  for (const name of ['gold', 'silver', 'bronze']) assert.ok(counts('In', [name]), name);
  assert.equal(counts('In', ['iron']), false);
  assert.equal(counts('NotIn', ['gold']), true);
  assert.equal(counts('Exists', []), true);
  const plain = claim({});
  assert.equal(counts('Exists', [], plain), false);
  assert.equal(counts('DoesNotExist', [], plain), true);
});

test('a claim is charged with what is set aside for it where that is more than it asks for', () => {
  const charged = (asked: string, storage?: string) => {
    const spec = { storageClassName: 'fast', resources: { requests: { storage: asked } } };
    const usage = usageOf(
      PersistentVolumeClaim,
      claim(spec, storage ? { allocatedResources: { storage } } : {}),
    );
    const names = ['requests.storage', 'fast.storageclass.storage.k8s.io/requests.storage'];
    return names.map((name) => formatQuantity(usage.get(name)!));
  };
  assert.deepEqual(charged('1Gi'), ['1Gi', '1Gi']);
  assert.deepEqual(charged('1Gi', '2Gi'), ['2Gi', '2Gi']);
  assert.deepEqual(charged('3Gi', '2Gi'), ['3Gi', '3Gi']);
});

test('a resource claim counts the devices of each class, of alternatives the most', () => {
  const counted = (requests: object[]) => {
    const object = { metadata: { name: 'c', namespace: 'ns' }, spec: { devices: { requests } } };
    const usage = usageOf(ResourceClaim, object as ResourceClaim);
    return Object.fromEntries([...usage].map(([name, amount]) => [name, formatQuantity(amount)]));
  };
  const exactly = (deviceClassName: string, more: object) => ({ exactly: { deviceClassName, ...more } });
  const count = (amount: number) => ({ allocationMode: 'ExactCount', count: amount });
  const claims = { 'count/resourceclaims.resource.k8s.io': '1' };
  const gold = 'gold.deviceclass.resource.k8s.io/devices';
  const iron = 'iron.deviceclass.resource.k8s.io/devices';
  assert.deepEqual(counted([]), claims);
  assert.deepEqual(counted([exactly('gold', count(2)), exactly('gold', count(1))]), {
    ...claims,
    [gold]: '3',
  });
  assert.deepEqual(counted([exactly('gold', { allocationMode: 'All' })]), { ...claims, [gold]: '32' });
  const firstAvailable = [
    { deviceClassName: 'gold', ...count(1) },
    { deviceClassName: 'gold', ...count(4) },
    { deviceClassName: 'iron', ...count(2) },
  ];
  assert.deepEqual(counted([{ firstAvailable }]), { ...claims, [gold]: '4', [iron]: '2' });
  assert.ok(concernsResource(gold, ResourceClaim));
  assert.ok(!concernsResource(gold, PersistentVolumeClaim));
});

test('devices count as the resources that they provide, without what the pod of the claim counts with already', () => {
  const gpu = 'example.com/gpu';
  const classes = [{ metadata: { name: 'gold' }, spec: { extendedResourceName: gpu } } as DeviceClass];
  const pod = (parts: object = {}) =>
    sparse<Pod>({
      metadata: { name: 'p', namespace: 'ns', uid: 'u' },
      spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { [gpu]: '2' } } }] },
      ...parts,
    });
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true }];
  const annotations = { 'resource.kubernetes.io/extended-resource-claim': 'true' };
  const made = (name: string, second: number, more: object = {}) =>
    ({
      metadata: {
        name,
        namespace: 'ns',
        uid: name,
        creationTimestamp: `2026-01-01T00:00:0${second}Z`,
        ...more,
      },
      spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gold', count: 3 } }] } },
    }) as ResourceClaim;
  const own = { ownerReferences, annotations };
  const counted = (claim: ResourceClaim, owner: Pod | undefined, others: ResourceClaim[] = []) => {
    const usage = usageOf(ResourceClaim, claim, {
      classes: () => classes,
      pod: () => owner,
      claims: () => [claim, ...others],
    });
    const names = [`requests.${gpu}`, 'requests.deviceclass.resource.kubernetes.io/gold'];
    return names.map((name) => formatQuantity(usage.get(name)!));
  };
  assert.deepEqual(counted(made('users', 1), pod()), ['3', '3']);
  assert.deepEqual(counted(made('schedulers', 1, own), pod()), ['1', '3']);
  assert.deepEqual(counted(made('schedulers', 1, own), undefined), ['3', '3']);
  assert.deepEqual(counted(made('schedulers', 1, own), pod({ status: { phase: 'Failed' } })), ['3', '3']);
  const told = pod({ status: { extendedResourceClaimStatus: { resourceClaimName: 'other' } } });
  assert.deepEqual(counted(made('forged', 1, own), told), ['3', '3']);
  assert.deepEqual(counted(made('first', 1, own), pod(), [made('second', 2, own)]), ['1', '3']);
  assert.deepEqual(counted(made('second', 2, own), pod(), [made('first', 1, own)]), ['3', '3']);
  for (const resource of [ResourceClaim, Pod]) assert.ok(concernsResource(`requests.${gpu}`, resource));
  assert.ok(!concernsResource('requests.cpu', ResourceClaim));
});
