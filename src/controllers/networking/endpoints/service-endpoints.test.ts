import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Pod, Service } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { type PodShape, pod } from '../../objects.fixture.ts';
import { labelsOfSlices, planHintEvents, wantedSlices, withTriggerTime } from './service-endpoints.ts';

const service = (spec: object = {}, metadata: object = {}) =>
  sparse<Service>({
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }], ...spec },
  });
const at = (ips: string[], name: string, shape: PodShape = {}, port = 8080): Pod => {
  const one = pod(name, { node: 'n1', ...shape });
  one.status = { ...one.status, podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) };
  one.spec = { ...one.spec!, containers: [{ name: 'c', ports: [{ name: 'web', containerPort: port }] }] };
  return one;
};
const zones = { zoneOfNode: (node: string) => (node === 'n1' ? 'east' : undefined), nodes: () => [] };

test('pods whose ports differ are in groups of their own', () => {
  const pods = [at(['10.0.0.1'], 'a'), at(['10.0.0.2'], 'b', {}, 9090), at(['10.0.0.3'], 'c')];
  const [family, ...more] = wantedSlices(service(), pods, zones);
  assert.deepEqual([family?.addressType, more], ['IPv4', []]);
  assert.deepEqual(
    family?.groups.map(({ ports, endpoints }) => [
      ports[0]?.port,
      endpoints.map(({ addresses }) => addresses[0]),
    ]),
    [
      [8080, ['10.0.0.1', '10.0.0.3']],
      [9090, ['10.0.0.2']],
    ],
  );
  const [first] = family?.groups[0]?.endpoints ?? [];
  assert.deepEqual([first?.nodeName, first?.zone, first?.targetRef?.name], ['n1', 'east', 'a']);
});

test('a Service of two families has each pod by its address of each', () => {
  const pods = [at(['10.0.0.1', 'fd00::1'], 'a'), at(['10.0.0.2'], 'b')];
  const families = wantedSlices(service({ ipFamilies: ['IPv6', 'IPv4'] }), pods, zones);
  assert.deepEqual(
    families.map(({ addressType, groups }) => [
      addressType,
      groups.flatMap(({ endpoints }) => endpoints).length,
    ]),
    [
      ['IPv6', 1],
      ['IPv4', 2],
    ],
  );
});

for (const [what, spec, shape, ready, serving, terminating] of [
  ['ready', {}, {}, true, true, false],
  ['not ready', {}, { ready: false }, false, false, false],
  ['on its way out', {}, { deleted: true }, false, true, true],
  [
    'not ready, and published all the same',
    { publishNotReadyAddresses: true },
    { ready: false },
    true,
    false,
    false,
  ],
] as const)
  test(`the conditions of a pod that is ${what}`, () => {
    const [family] = wantedSlices(service(spec), [at(['10.0.0.1'], 'a', shape)], zones);
    assert.deepEqual(family?.groups[0]?.endpoints[0]?.conditions, { ready, serving, terminating });
  });

test('slices carry the labels of their Service, and say whether it is headless', () => {
  const label = 'service.kubernetes.io/headless';
  const labels = { tier: 'x', [label]: 'mine' };
  assert.deepEqual(labelsOfSlices(service({}, { labels })), { tier: 'x' });
  assert.deepEqual(labelsOfSlices(service({ clusterIP: 'None' }, { labels })), { tier: 'x', [label]: '' });
});

test('a Service that asks for hints is told once when it has them, and each time why it has not', () => {
  const asking = service({}, { annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } });
  const wanted = [{ addressType: 'IPv4' as const, groups: [] }];
  const reasons = (given: Service, present: EndpointSlice[], problem?: string) =>
    planHintEvents(
      given,
      present,
      wanted.map((one) => ({ ...one, ...(problem && { problem }) })),
    ).map(({ reason, message }) => `${reason}: ${message}`);
  const hinted = sparse<EndpointSlice>({
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], hints: { forZones: [{ name: 'east' }] } }],
  });
  assert.deepEqual(reasons(service(), []), []);
  assert.deepEqual(reasons(asking, []), [
    'TopologyAwareHintsEnabled: Topology Aware Hints has been enabled, addressType: IPv4',
  ]);
  assert.deepEqual(reasons(asking, [hinted]), []);
  assert.deepEqual(reasons(asking, [hinted], 'Too few endpoints'), [
    'TopologyAwareHintsDisabled: Too few endpoints, addressType: IPv4',
  ]);
});

test('slices that are written have the time of the change, or none', () => {
  const name = 'endpoints.kubernetes.io/last-change-trigger-time';
  const slice = sparse<EndpointSlice>({
    metadata: { name: 's', annotations: { mine: 'x', [name]: 'then' } },
  });
  const plan = { create: [], update: [slice], remove: [] };
  const written = (time: string | undefined) => withTriggerTime(plan, time).update[0]?.metadata.annotations;
  assert.deepEqual(written('now'), { mine: 'x', [name]: 'now' });
  assert.deepEqual(written(undefined), { mine: 'x' });
  assert.equal(slice.metadata.annotations?.[name], 'then');
});
