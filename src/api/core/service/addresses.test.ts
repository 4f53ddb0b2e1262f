import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service, ServiceSpec } from '../../types/core-v1.gen.ts';
import { unallocatable, validateServiceAddressesUpdate } from './addresses.ts';
import { serviceWarnings } from './warnings.ts';

const texts = (errors: Iterable<{ text: string }>) => [...errors].map(({ text }) => text);

test('invalid addresses and families are refused before anything is allocated', () => {
  const rows: [object, string[]][] = [
    [{}, []],
    [{ ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] }, []],
    [
      { clusterIPs: ['x'] },
      [
        'spec.clusterIPs: Invalid value: ["x"]: must be empty when `clusterIP` is not specified',
        'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ],
    ],
    [
      { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.2'] },
      ['spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'],
    ],
    [
      { clusterIP: 'None', clusterIPs: ['None', '10.0.0.1'] },
      ['spec.clusterIPs: Invalid value: ["None","10.0.0.1"]: \'None\' must be the first and only value'],
    ],
    [
      { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv6'] },
      [
        'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
      ],
    ],
    [
      { ipFamilyPolicy: 'RequireDualStack' },
      [
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
      ],
    ],
    [{ ipFamilies: ['IPv6'] }, ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster']],
    [{ clusterIP: 'None', clusterIPs: ['None'], ipFamilies: ['IPv6'] }, []],
    [{ type: 'ExternalName', ipFamilies: ['IPv6'] }, []],
  ];
  for (const [spec, expected] of rows)
    assert.deepEqual(
      texts(unallocatable({ metadata: { name: 's' }, spec } as Service)),
      expected,
      JSON.stringify(spec),
    );
});

test('the first address stays once it is set', () => {
  const old = { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv4'] } as ServiceSpec;
  const changed = (spec: object) => texts(validateServiceAddressesUpdate({ ...old, ...spec }, old));
  assert.deepEqual(changed({}), []);
  assert.deepEqual(changed({ clusterIPs: ['10.0.0.2'] }), [
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set',
  ]);
  assert.deepEqual(changed({ clusterIPs: [] }), [
    'spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset',
  ]);
});

test('ineffective and deprecated settings give warnings', () => {
  const rows: [object, string[]][] = [
    [{ type: 'ClusterIP' }, []],
    [
      { type: 'ClusterIP', externalName: 'x' },
      ['spec.externalName is ignored when spec.type is not "ExternalName"'],
    ],
    [
      { type: 'ClusterIP', trafficDistribution: 'PreferClose' },
      ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'],
    ],
    [
      { type: 'ClusterIP', externalIPs: ['2001:DB8:0::1'] },
      [
        'spec.externalIPs[0]: IPv6 address "2001:DB8:0::1" should be in RFC 5952 canonical format ("2001:db8::1")',
        'spec.externalIPs is deprecated and may no longer be implemented in some clusters',
      ],
    ],
    [
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.1.2.3/16'] },
      [
        'spec.loadBalancerSourceRanges[0]: CIDR value "10.1.2.3/16" is ambiguous in this context (should be "10.1.0.0/16" or "10.1.2.3/32"?)',
      ],
    ],
    [
      { type: 'ClusterIP', clusterIP: 'None', loadBalancerIP: '1.2.3.4', sessionAffinity: 'None' },
      ['spec.loadBalancerIP is ignored for headless services'],
    ],
  ];
  for (const [spec, expected] of rows)
    assert.deepEqual([...serviceWarnings({ metadata: { name: 's' }, spec } as Service)], expected);
});
