import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '../../api/resources.gen.ts';
import { computeServiceRules, type Element } from './rules.ts';
import { computeBackends, type NodeView } from './service-backends.ts';

const node = { name: 'n1', ownServiceAddresses: ['10.96.0.10'] };
type Spec = NonNullable<Service['spec']>;
type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

function rules(spec: Spec, endpoints: Endpoint[], status?: Service['status'], on: NodeView = node): string[] {
  const service = { metadata: { name: 'web', namespace: 'default' }, spec, status } as Service;
  const slice = {
    metadata: { name: 'web-1', namespace: 'default' },
    addressType: 'IPv4',
    endpoints,
    ports: (spec.ports ?? []).map(({ name, protocol }) => ({
      ...(name ? { name } : {}),
      ...(protocol ? { protocol } : {}),
      port: 8080,
    })),
  } as EndpointSlice;
  return computeServiceRules(service, [slice], on).map(format).sort();
}

const format = ({ set, key, value }: Element) => `${set}: ${key}${value ? ` → ${value}` : ''}`;
const at = (address: string, more: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [address],
  nodeName: 'n2',
  ...more,
});
const here = (address: string, more: Partial<Endpoint> = {}) => at(address, { nodeName: 'n1', ...more });
const ports = [{ port: 80, protocol: 'TCP' as const }];
const service = '10.96.1.1 . tcp . 80';

describe('rules of a service', () => {
  it('are a choice among its ready endpoints, with a way back for those of this node', () => {
    assert.deepEqual(
      rules({ clusterIP: '10.96.1.1', ports }, [
        here('10.244.0.9'),
        at('10.244.1.9'),
        at('10.244.1.10', { conditions: { ready: false } }),
      ]),
      [
        `endpoints: ${service} . 0 → 10.244.0.9 . 8080`,
        `endpoints: ${service} . 1 → 10.244.1.9 . 8080`,
        'hairpin: 10.244.0.9 . 10.244.0.9',
        `services: ${service} → goto pick-address-outside-2`,
      ],
    );
  });

  it('do not depend on the order in which endpoints are listed', () => {
    const endpoints = [at('10.244.1.9'), at('10.244.1.10'), here('10.244.0.9')];
    const spec = { clusterIP: '10.96.1.1', ports };
    assert.deepEqual(rules(spec, endpoints), rules(spec, endpoints.toReversed()));
  });

  const nothing: [string, Spec, string[]][] = [
    ['a headless service', { clusterIP: 'None', ports }, []],
    ['an ExternalName service', { type: 'ExternalName', externalName: 'example.org' }, []],
    ['a service that the node answers itself', { clusterIP: '10.96.0.10', ports }, []],
    ['a service without endpoints', { clusterIP: '10.96.1.1', ports }, [`refused: ${service}`]],
  ];
  for (const [name, spec, expected] of nothing)
    it(`route no client anywhere for ${name}`, () => assert.deepEqual(rules(spec, []), expected));

  for (const label of ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'])
    it(`are none where the label ${label} leaves a service to others, whatever its value`, () => {
      const metadata = { name: 'web', namespace: 'default', labels: { [label]: '' } };
      const spec = { clusterIP: '10.96.1.1', ports };
      assert.deepEqual(computeServiceRules({ metadata, spec } as Service, [], node), []);
    });

  it('pass over the endpoints of a slice that is labelled as that of a headless service', () => {
    const metadata = { name: 'web-1', labels: { 'service.kubernetes.io/headless': '' } };
    const port = { name: '', port: 8080, protocol: 'TCP' };
    const slice = { metadata, addressType: 'IPv4', ports: [port], endpoints: [at('10.244.1.1')] };
    const backends = (...slices: object[]) => computeBackends(ports[0]!, slices as EndpointSlice[], node);
    assert.equal(backends({ ...slice, metadata: { name: 'web-1' } }).cluster.length, 1);
    assert.equal(backends(slice).cluster.length, 0);
  });

  it('fall back on endpoints that terminate but still serve, when no other is ready', () => {
    const leaving = { conditions: { ready: false, serving: true, terminating: true } };
    const gone = { conditions: { ready: false, serving: false, terminating: true } };
    assert.deepEqual(
      rules({ clusterIP: '10.96.1.1', ports }, [at('10.244.1.1', leaving), at('10.244.1.2', gone)]),
      [`endpoints: ${service} . 0 → 10.244.1.1 . 8080`, `services: ${service} → goto pick-address-outside-1`],
    );
    assert.equal(
      rules({ clusterIP: '10.96.1.1', ports }, [at('10.244.1.1', leaving), at('10.244.1.3')])[0],
      `endpoints: ${service} . 0 → 10.244.1.3 . 8080`,
    );
  });

  describe('with hints', () => {
    const meantFor = (zone: string | undefined, name?: string): Partial<Endpoint> => ({
      hints: { ...(zone && { forZones: [{ name: zone }] }), ...(name && { forNodes: [{ name }] }) },
    });
    const chosen = (endpoints: Endpoint[], zone?: string) =>
      rules({ clusterIP: '10.96.1.1', ports }, endpoints, undefined, { ...node, zone })
        .filter((rule) => rule.startsWith('endpoints: '))
        .map((rule) => rule.replace(/.* → (\S+) .*/, '$1'));
    const first = at('10.244.1.1', meantFor('z1'));
    const second = at('10.244.1.2', meantFor('z2'));
    const cases: [string, Endpoint[], string | undefined, string[]][] = [
      ["prefer those for the node's zone", [first, second], 'z2', ['10.244.1.2']],
      ['choose among all where none is for the zone', [first, second], 'z3', ['10.244.1.1', '10.244.1.2']],
      [
        'choose among all where the node has no zone',
        [first, second],
        undefined,
        ['10.244.1.1', '10.244.1.2'],
      ],
      [
        'choose among all where one has no hint',
        [first, second, at('10.244.1.3')],
        'z1',
        ['10.244.1.1', '10.244.1.2', '10.244.1.3'],
      ],
      [
        'do not heed an endpoint that is not ready',
        [first, second, at('10.244.1.3', { conditions: { ready: false } })],
        'z1',
        ['10.244.1.1'],
      ],
      [
        'prefer those for the node, then those for its zone',
        [at('10.244.1.1', meantFor('z1', 'n1')), at('10.244.1.2', meantFor('z1', 'n2'))],
        'z1',
        ['10.244.1.1'],
      ],
      [
        'fall back to the zone where none is for the node',
        [at('10.244.1.1', meantFor('z1', 'n3')), at('10.244.1.2', meantFor('z2', 'n4'))],
        'z1',
        ['10.244.1.1'],
      ],
    ];
    for (const [name, endpoints, zone, expected] of cases)
      it(name, () => assert.deepEqual(chosen(endpoints, zone), expected));
  });

  it('keep to this node with an internal policy of Local, and drop where it has nothing', () => {
    const spec: Spec = { clusterIP: '10.96.1.1', ports, internalTrafficPolicy: 'Local' };
    assert.ok(
      rules(spec, [here('10.244.0.9'), at('10.244.1.9')]).includes(
        `services: ${service} → goto pick-address-outside-1`,
      ),
    );
    assert.deepEqual(rules(spec, [at('10.244.1.9')]), [`dropped: ${service}`]);
    assert.deepEqual(rules(spec, []), [`refused: ${service}`]);
  });

  it('serve node ports and outside addresses of a load balancer, whose sources may be limited', () => {
    const spec: Spec = {
      type: 'LoadBalancer',
      clusterIP: '10.96.1.1',
      ports: [{ ...ports[0]!, nodePort: 30080 }],
      externalTrafficPolicy: 'Local',
      loadBalancerSourceRanges: ['10.1.0.0/16', '10.2.3.4/8', '10.0.0.0/8', '192.168.1.1/32'],
    };
    const outside = '172.30.0.128 . tcp . 80';
    const all = rules(spec, [here('10.244.0.9'), at('10.244.1.9')], {
      loadBalancer: { ingress: [{ ip: '172.30.0.128' }] },
    });
    for (const expected of [
      `services: ${outside} → goto pick-address-all-1of2`,
      `local-endpoints: ${outside} . 0 → 10.244.0.9 . 8080`,
      'nodeports: tcp . 30080 → goto pick-nodeport-all-1of2',
      'nodeport-local-endpoints: tcp . 30080 . 0 → 10.244.0.9 . 8080',
      `firewalled: ${outside}`,
      `firewall-allowed: ${outside} . 10.0.0.0/8`,
      `firewall-allowed: ${outside} . 192.168.1.1/32`,
    ])
      assert.ok(all.includes(expected), expected);
    assert.equal(all.filter((rule) => rule.startsWith('firewall-allowed')).length, 2);
  });

  it('take a very long list of sources, within each other or not, in its stride', () => {
    const ranges = Array.from({ length: 40_000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);
    const outside = '172.30.0.128 . tcp . 80';
    const { user: before } = process.cpuUsage();
    const all = rules(
      {
        type: 'LoadBalancer',
        clusterIP: '10.96.1.1',
        ports,
        loadBalancerSourceRanges: [...ranges, '10.3.4.0/25', '10.255.0.0/16', '10.255.7.9/32'],
      },
      [here('10.244.0.9')],
      { loadBalancer: { ingress: [{ ip: '172.30.0.128' }] } },
    );
    assert.ok(process.cpuUsage().user - before < 3_000_000);
    const allowed = all.filter((rule) => rule.startsWith(`firewall-allowed: ${outside}`));
    assert.equal(allowed.length, 40_001);
    assert.ok(allowed.includes(`firewall-allowed: ${outside} . 10.255.0.0/16`));
  });

  it('remember clients for as long as the service says', () => {
    const spec: Spec = {
      clusterIP: '10.96.1.1',
      ports,
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    };
    const all = rules(spec, [at('10.244.1.9')]);
    assert.ok(all.includes(`affine: ${service} → goto remember-60`));
    assert.ok(all.includes(`services: ${service} → goto pick-address-outside-1-affine`));
  });

  it('tell ports of one number and different protocols apart', () => {
    const spec: Spec = {
      clusterIP: '10.96.1.1',
      ports: [
        { name: 'a', port: 53, protocol: 'TCP' },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    };
    const all = rules(spec, [at('10.244.1.9')]);
    assert.ok(all.includes('endpoints: 10.96.1.1 . tcp . 53 . 0 → 10.244.1.9 . 8080'));
    assert.ok(all.includes('endpoints: 10.96.1.1 . udp . 53 . 0 → 10.244.1.9 . 8080'));
  });
});
