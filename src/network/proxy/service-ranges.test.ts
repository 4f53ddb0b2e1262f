import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceCIDR } from '../../api/resources.gen.ts';
import { serviceRanges } from './service-ranges.ts';

const own = '10.96.0.0/12';
const cases: [what: string, cidrs: string[], ranges: string[]][] = [
  ['its own range alone', [], [own]],
  ['its own range once', [own], [own]],
  ['another', ['10.0.0.0/16'], ['10.0.0.0/16', own]],
  ['none within another', ['10.100.0.0/16', '10.0.1.0/24', '10.0.0.0/16'], ['10.0.0.0/16', own]],
  ['a wider one in the place of its own', ['10.0.0.0/8'], ['10.0.0.0/8']],
  ['a single address', ['192.0.2.7/32'], [own, '192.0.2.7']],
  ['no bits of hosts', ['192.0.2.7/25'], [own, '192.0.2.0/25']],
  ['IPv4 only', ['fd00::/108'], [own]],
];
for (const [what, cidrs, ranges] of cases)
  test(`a node knows of service ranges: ${what}`, () => {
    const objects = cidrs.map((cidr) => ({ spec: { cidrs: [cidr] } }) as ServiceCIDR);
    assert.deepEqual(serviceRanges(own, objects), ranges.sort());
  });
