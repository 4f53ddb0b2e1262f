import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseSubnet, hostHasDefaultRoute, isWithin } from './link.ts';

test('a subnet is chosen that nothing on the machine overlaps', () => {
  const rows: [string, string[], number, string][] = [
    ['nothing in the way', [], 7, '172.30.7'],
    ['the first choice is taken', ['172.30.7.0/24'], 7, '172.30.8'],
    ['a single address is in it', ['172.30.7.200/32'], 7, '172.30.8'],
    ['a wider range covers it', ['172.30.0.0/21'], 7, '172.30.8'],
    ['it goes on from the start at the end', ['172.30.255.0/24'], 255, '172.30.0'],
    ['other ranges do not matter', ['10.0.0.0/8', '192.168.0.0/16', '172.16.0.0/13'], 0, '172.30.0'],
  ];
  for (const [what, used, seed, expected] of rows) assert.equal(chooseSubnet(used, seed), expected, what);
  assert.throws(() => chooseSubnet(['172.16.0.0/12'], 0), /in use/);
});

test('a default route is one to everywhere, not one to 0.0.0.0 with a longer mask', () => {
  const head = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n';
  assert.equal(hostHasDefaultRoute(`${head}eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n`), true);
  assert.equal(hostHasDefaultRoute(`${head}tun0\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\n`), false);
  assert.equal(hostHasDefaultRoute(head), false);
});

test('an address is within a prefix or not', () => {
  assert.equal(isWithin('10.99.0.1', '10.96.0.0/12'), true);
  assert.equal(isWithin('10.112.0.1', '10.96.0.0/12'), false);
  assert.equal(isWithin('10.244.3.9', '10.244.0.0/16'), true);
});
