import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IPAddress, ServiceCIDR } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { overlapping, planServiceCidr, rangesOf } from './service-cidr-plan.ts';

const finalizer = 'networking.k8s.io/service-cidr-finalizer';
const deletedMs = Date.parse('2026-01-01T00:00:00Z');

function range(name: string, cidrs: string[], metadata: object = {}, status?: object): ServiceCIDR {
  return { metadata: { name, ...metadata }, spec: { cidrs }, status } as ServiceCIDR;
}
const goes = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['other', finalizer] };

function address(name: string, manager = 'ipallocator.k8s.io'): IPAddress {
  const labels = { 'ipaddress.kubernetes.io/managed-by': manager };
  return sparse<IPAddress>({ metadata: { name, labels } });
}

test('a range is protected and ready, and then left alone', () => {
  const fresh = range('a', ['10.0.0.0/24']);
  const { finalizers, conditions } = planServiceCidr(fresh, [fresh], [], deletedMs);
  assert.deepEqual(finalizers, [finalizer]);
  assert.deepEqual(
    conditions?.map(({ type, status, message }) => [type, status, message]),
    [['Ready', 'True', 'Kubernetes Service CIDR is ready']],
  );
  const settled = range('a', ['10.0.0.0/24'], { finalizers }, { conditions });
  assert.deepEqual(planServiceCidr(settled, [settled], [], deletedMs + 1e6), {});
});

test('a range goes when nothing needs it, ten seconds after it was deleted', () => {
  const own = range('a', ['10.0.0.0/24'], goes);
  assert.deepEqual(planServiceCidr(own, [own], [], deletedMs + 4000), { requeueAfterMs: 6000 });
  assert.deepEqual(planServiceCidr(own, [own], [], deletedMs + 10_000), { finalizers: ['other'] });
  const without = range('a', ['10.0.0.0/24'], { ...goes, finalizers: ['other'] });
  assert.deepEqual(planServiceCidr(without, [without], [], deletedMs + 10_000), {});
});

const lateMs = deletedMs + 60_000;
const held: [what: string, isHeld: boolean, others: ServiceCIDR[], addresses: IPAddress[]][] = [
  ['an address of it alone', true, [], [address('10.0.0.7')]],
  ['an address that another range has too', false, [range('b', ['10.0.0.0/28'])], [address('10.0.0.7')]],
  ['an address beyond that other range', true, [range('b', ['10.0.0.0/28'])], [address('10.0.0.77')]],
  ['a wider range beside it', false, [range('b', ['10.0.0.0/16'])], [address('10.0.0.77')]],
  ['the same range under another name', false, [range('b', ['10.0.0.0/24'])], [address('10.0.0.77')]],
  [
    'an address that a wider range has, which goes too',
    false,
    [range('b', ['10.0.0.0/16'], goes)],
    [address('10.0.0.7')],
  ],
  [
    'an address that a smaller range has, which goes too',
    true,
    [range('b', ['10.0.0.0/28'], goes)],
    [address('10.0.0.7')],
  ],
  [
    'an address that the same range has, which goes later',
    false,
    [range('b', ['10.0.0.0/24'], goes)],
    [address('10.0.0.7')],
  ],
  [
    'an address that the same range has, which goes sooner',
    true,
    [range('0', ['10.0.0.0/24'], goes)],
    [address('10.0.0.7')],
  ],
  ['an address of another maker', false, [], [address('10.0.0.7', 'me')]],
  ['an address elsewhere', false, [], [address('10.0.1.7')]],
  ['the address of the network', false, [], [address('10.0.0.0')]],
  ['the broadcast address', false, [], [address('10.0.0.255')]],
];
for (const [what, isHeld, others, addresses] of held)
  test(`a range that is being deleted is ${isHeld ? 'held' : 'not held'} by ${what}`, () => {
    const own = range('a', ['10.0.0.0/24'], goes);
    const plan = planServiceCidr(own, [own, ...others], addresses, lateMs);
    if (!isHeld) return assert.deepEqual(plan, { finalizers: ['other'] });
    assert.equal(plan.finalizers, undefined);
    assert.deepEqual(
      plan.conditions?.map(({ status, reason }) => [status, reason]),
      [['False', 'Terminating']],
    );
    const reported = range('a', ['10.0.0.0/24'], goes, { conditions: plan.conditions });
    assert.deepEqual(planServiceCidr(reported, [reported, ...others], addresses, lateMs), {});
  });

test('a range of two families is held by an address of either', () => {
  const own = range('a', ['10.0.0.0/24', 'fd00::/112'], goes);
  const wider = range('b', ['10.0.0.0/16']);
  assert.equal(planServiceCidr(own, [own, wider], [address('fd00::1')], lateMs).finalizers, undefined);
  assert.deepEqual(planServiceCidr(own, [own, wider], [address('10.0.0.1')], lateMs).finalizers, ['other']);
});

test('ranges that contain one another concern one another, and those that contain an address', () => {
  const wide = range('wide', ['10.0.0.0/16']);
  const narrow = range('narrow', ['10.0.3.0/24']);
  const far = range('far', ['10.1.0.0/16']);
  const all = [wide, narrow, far];
  assert.deepEqual(overlapping(narrow, all), ['wide', 'narrow']);
  assert.deepEqual(overlapping(wide, all), ['wide', 'narrow']);
  assert.deepEqual(overlapping(far, all), ['far']);
  const named = (name: string) => rangesOf(address(name), all).map(({ metadata }) => metadata.name);
  assert.deepEqual(named('10.0.3.9'), ['wide', 'narrow']);
  assert.deepEqual(named('10.0.4.9'), ['wide']);
  assert.deepEqual(named('10.0.3.0'), ['wide']);
});
