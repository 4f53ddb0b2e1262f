import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoints, Pod, Service } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { type PodShape, pod } from '../../objects.fixture.ts';
import { planEndpoints } from './endpoints-plan.ts';

const managed = { 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' };
const triggered = 'endpoints.kubernetes.io/last-change-trigger-time';
const overCapacity = 'endpoints.kubernetes.io/over-capacity';
const service = (spec: object = {}, labels: object = {}) =>
  sparse<Service>({
    metadata: { name: 'web', namespace: 'default', labels },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
  });
const at = (ip: string, name: string, shape: PodShape = {}): Pod => {
  const one = pod(name, { node: 'n1', ...shape });
  one.status = { ...one.status, podIP: ip };
  return one;
};
const plan = (given: Service, pods: Pod[], present?: Endpoints, triggerTime?: string) =>
  planEndpoints(given, pods, { present, triggerTime });
const ips = (list: readonly { ip: string }[] | undefined) => list?.map(({ ip }) => ip);

test('ready pods are addresses, others are known as not ready, in order', () => {
  const pods = [at('10.0.0.3', 'c'), at('10.0.0.1', 'a'), at('10.0.0.2', 'b', { ready: false })];
  const { create, update } = plan(service(), pods);
  assert.equal(update, undefined);
  const [subset, ...more] = create?.subsets ?? [];
  assert.deepEqual(more, []);
  assert.deepEqual(
    [ips(subset?.addresses), ips(subset?.notReadyAddresses)],
    [['10.0.0.1', '10.0.0.3'], ['10.0.0.2']],
  );
  assert.deepEqual(subset?.ports, [{ port: 8080, protocol: 'TCP' }]);
  assert.deepEqual(subset?.addresses?.[0], {
    ip: '10.0.0.1',
    nodeName: 'n1',
    targetRef: { kind: 'Pod', namespace: 'default', name: 'a', uid: 'uid-a' },
  });
  assert.deepEqual(create?.metadata, { name: 'web', namespace: 'default', labels: managed });
});

for (const [what, spec, shape, expected] of [
  ['on its way out is no address', {}, { deleted: true }, undefined],
  [
    'on its way out is one where that was asked for',
    { publishNotReadyAddresses: true },
    { deleted: true },
    ['10.0.0.1'],
  ],
  [
    'that is not ready is one where that was asked for',
    { publishNotReadyAddresses: true },
    { ready: false },
    ['10.0.0.1'],
  ],
  ['without the named port is no address', { ports: [{ port: 80, targetPort: 'http' }] }, {}, undefined],
  ['of the other family is no address', { ipFamilies: ['IPv6'] }, {}, undefined],
] as const)
  test(`a pod ${what}`, () => {
    const { create } = plan(service(spec), [at('10.0.0.1', 'a', shape)]);
    assert.deepEqual(ips(create?.subsets?.[0]?.addresses), expected);
  });

test('a headless Service is marked, and no other keeps the mark', () => {
  const label = 'service.kubernetes.io/headless';
  assert.deepEqual(plan(service({ clusterIP: 'None' }), []).create?.metadata.labels, {
    ...managed,
    [label]: '',
  });
  assert.deepEqual(plan(service({}, { [label]: '', tier: 'x' }), []).create?.metadata.labels, {
    ...managed,
    tier: 'x',
  });
});

test('addresses beyond a thousand are left out, which is marked', () => {
  const pods = Array.from({ length: 1_001 }, (_, index) =>
    at(`10.0.${index >> 8}.${index & 255}`, `p${index}`),
  );
  const { create } = plan(service(), pods);
  assert.equal(create?.subsets?.[0]?.addresses?.length, 1_000);
  assert.deepEqual(create?.metadata.annotations, { [overCapacity]: 'truncated' });
});

test('what is up to date is left alone, whatever time or annotation it has', () => {
  const pods = [at('10.0.0.1', 'a')];
  const { create } = plan(service(), pods);
  const annotations = { mine: 'x', [triggered]: 'then' };
  const present = { ...create, metadata: { ...create?.metadata, annotations } } as Endpoints;
  assert.deepEqual(plan(service(), pods, present, 'now'), {});
  const { update } = plan(service(), [...pods, at('10.0.0.2', 'b')], present, 'now');
  assert.deepEqual(update?.metadata.annotations, { mine: 'x', [triggered]: 'now' });
  assert.equal(update?.subsets?.[0]?.addresses?.length, 2);
  const later = plan(service(), [], update).update;
  assert.deepEqual([later?.metadata.annotations, later?.subsets], [{ mine: 'x' }, []]);
});
