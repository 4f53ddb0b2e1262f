import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node, Service } from '../../../api/resources.gen.ts';
import type * as discovery from '../../../api/types/discovery-v1.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { computeZoneShares, planHints } from './topology-hints.ts';

const endpoint = (name: string, zone?: string, ready = true): discovery.Endpoint => ({
  addresses: [name],
  nodeName: `node-of-${name}`,
  conditions: { ready },
  ...(zone && { zone }),
});
const service = (spec: Service['spec'], annotations: Record<string, string> = {}) =>
  ({ metadata: { name: 's', namespace: 'default', annotations }, spec }) as Service;
const auto = service({}, { 'service.kubernetes.io/topology-mode': 'Auto' });
const node = (zone: string | undefined, cpu: string, more: { labels?: object; ready?: string } = {}) =>
  sparse<Node>({
    metadata: { name: 'n', labels: { ...(zone && { 'topology.kubernetes.io/zone': zone }), ...more.labels } },
    status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: more.ready ?? 'True' }] },
  });
/** `address zones nodes` of each endpoint. */
const shown = ({ endpoints }: { endpoints: discovery.Endpoint[] }) =>
  endpoints.map(({ addresses, hints }) =>
    [
      addresses[0],
      hints?.forZones?.map(({ name }) => name).join() ?? '-',
      hints?.forNodes?.map(({ name }) => name).join() ?? '-',
    ].join(' '),
  );

describe('hints for a traffic distribution', () => {
  const all = [endpoint('a', 'z1'), endpoint('b', 'z2', false), endpoint('c')];
  const cases: [string | undefined, string[]][] = [
    [undefined, ['a - -', 'b - -', 'c - -']],
    ['PreferClose', ['a z1 -', 'b - -', 'c - -']],
    ['PreferSameZone', ['a z1 -', 'b - -', 'c - -']],
    ['PreferSameNode', ['a z1 node-of-a', 'b - -', 'c - node-of-c']],
  ];
  for (const [trafficDistribution, expected] of cases)
    it(`of ${trafficDistribution} name where a ready endpoint is`, () =>
      assert.deepEqual(
        shown(planHints(service(trafficDistribution ? { trafficDistribution } : {}), all, undefined)),
        expected,
      ));

  it('give way to the annotation', () => {
    const both = service({ trafficDistribution: 'PreferClose' }, auto.metadata.annotations);
    assert.match(planHints(both, all, undefined).problem!, /^Insufficient Node information/);
  });
});

describe('hints by capacity', () => {
  const halves = new Map([
    ['z1', 0.5],
    ['z2', 0.5],
  ]);

  it('leave endpoints to their zones where that is even', () => {
    const all = [endpoint('a', 'z1'), endpoint('b', 'z2'), endpoint('c', 'z1', false)];
    assert.deepEqual(shown(planHints(auto, all, halves)), ['a z1 -', 'b z2 -', 'c - -']);
  });

  it('lend endpoints of a zone that has too many, and the same ones whatever their order', () => {
    const all = [endpoint('c', 'z1'), endpoint('a', 'z1'), endpoint('d', 'z1'), endpoint('b', 'z1')];
    const expected = ['c z1 -', 'a z2 -', 'd z1 -', 'b z2 -'];
    assert.deepEqual(shown(planHints(auto, all, halves)), expected);
    assert.deepEqual(shown(planHints(auto, all.toReversed(), halves)), expected.toReversed());
  });

  it('follow the shares of CPU', () => {
    const shares = new Map([
      ['z1', 0.75],
      ['z2', 0.25],
    ]);
    const all = ['a', 'b', 'c', 'd'].map((name) => endpoint(name, 'z2'));
    assert.deepEqual(shown(planHints(auto, all, shares)), ['a z1 -', 'b z1 -', 'c z1 -', 'd z2 -']);
  });

  const unequal = new Map([
    ['z1', 0.34],
    ['z2', 0.33],
    ['z3', 0.33],
  ]);
  const problems: [string, discovery.Endpoint[], ReadonlyMap<string, number> | undefined, string][] = [
    [
      'nodes whose capacity is not known',
      [endpoint('a', 'z1'), endpoint('b', 'z2')],
      undefined,
      'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes',
    ],
    [
      'fewer endpoints than zones',
      [endpoint('a', 'z1')],
      halves,
      'Insufficient number of endpoints (1 endpoints, 2 zones)',
    ],
    [
      'endpoints that cannot be shared out evenly enough',
      ['a', 'b', 'c', 'd'].map((name) => endpoint(name, 'z1')),
      unequal,
      'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (4 endpoints, 3 zones)',
    ],
    [
      'an endpoint without a zone',
      [endpoint('a', 'z1'), endpoint('b')],
      halves,
      'One or more endpoints do not have a zone specified',
    ],
  ];
  for (const [name, endpoints, shares, problem] of problems)
    it(`are given up for ${name}`, () => {
      const plan = planHints(auto, endpoints, shares);
      assert.equal(plan.problem, problem);
      assert.ok(plan.endpoints.every(({ hints }) => hints === undefined));
    });
});

describe('shares of zones', () => {
  it('are their part of the CPU of nodes that are ready and carry load', () => {
    const nodes = [
      node('z1', '3'),
      node('z2', '500m'),
      node('z2', '500m'),
      node('z2', '8', { ready: 'False' }),
      node('z3', '8', { labels: { 'node-role.kubernetes.io/control-plane': '' } }),
    ];
    assert.deepEqual(
      [...computeZoneShares(nodes)!],
      [
        ['z1', 0.75],
        ['z2', 0.25],
      ],
    );
  });

  it('cannot be computed for a single zone, for a node without a zone, or without CPU', () => {
    assert.equal(computeZoneShares([node('z1', '1'), node('z1', '1')]), undefined);
    assert.equal(computeZoneShares([node('z1', '1'), node('z2', '1'), node(undefined, '1')]), undefined);
    assert.equal(computeZoneShares([node('z1', '1'), node('z2', '0')]), undefined);
  });
});
