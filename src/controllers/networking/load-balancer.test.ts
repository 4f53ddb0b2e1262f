import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Service } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { loadBalancerController } from './load-balancer.ts';
import {
  hasAddress,
  letsGo,
  parsePool,
  planAddress,
  planRelease,
  withAddress,
} from './load-balancer-plan.ts';

const pool = [{ first: '172.30.7.128', last: '172.30.7.129' }];

function service(name: string, options: { address?: string; asked?: string; class?: string } = {}): Service {
  return {
    metadata: { name, namespace: 'default', uid: name, resourceVersion: '1', creationTimestamp: '' },
    spec: {
      type: 'LoadBalancer',
      ...(options.asked ? { loadBalancerIP: options.asked } : {}),
      ...(options.class ? { loadBalancerClass: options.class } : {}),
    },
    status: { loadBalancer: options.address ? { ingress: [{ ip: options.address }] } : {} },
  } as Service;
}

describe('addresses of load balancers', () => {
  const rows: [string, Service, Service[], ReturnType<typeof planAddress>][] = [
    ['the first free one', service('a'), [], { address: '172.30.7.128' }],
    [
      'the next free one',
      service('a'),
      [service('b', { address: '172.30.7.128' })],
      { address: '172.30.7.129' },
    ],
    ['the one it has', service('a', { address: '172.30.7.129' }), [], { address: '172.30.7.129' }],
    ['the one it asks for', service('a', { asked: '172.30.7.129' }), [], { address: '172.30.7.129' }],
    [
      'none when the one it asks for is taken',
      service('a', { asked: '172.30.7.128' }),
      [service('b', { address: '172.30.7.128' })],
      { problem: 'address 172.30.7.128 is in use by service default/b' },
    ],
    [
      'none when the one it asks for is not in the pool',
      service('a', { asked: '10.0.0.1' }),
      [],
      { problem: 'address 10.0.0.1 is not in the pool 172.30.7.128-172.30.7.129' },
    ],
    [
      'none when all are taken',
      service('a'),
      [service('b', { address: '172.30.7.128' }), service('c', { address: '172.30.7.129' })],
      { problem: 'no address is left in the pool 172.30.7.128-172.30.7.129' },
    ],
    [
      'none that a service has which is for the cluster alone now, and has not let go',
      service('a'),
      [
        { ...withAddress(service('b'), '172.30.7.128'), spec: { type: 'ClusterIP' } } as Service,
        service('c', { address: '172.30.7.129' }),
      ],
      { problem: 'no address is left in the pool 172.30.7.128-172.30.7.129' },
    ],
    [
      'one that only a service of another class has',
      service('a'),
      [service('b', { address: '172.30.7.128', class: 'example.com/other' })],
      { address: '172.30.7.128' },
    ],
  ];
  for (const [name, subject, others, expected] of rows)
    it(`gives ${name}`, () => assert.deepEqual(planAddress(subject, [subject, ...others], pool), expected));

  const holder = service('a', { address: '172.30.7.128' });
  const plain = { ...holder, spec: { type: 'ClusterIP' } } as Service;
  const heldHolder = withAddress(holder, '172.30.7.128');
  const changes: [string, Service, Service | undefined, boolean][] = [
    ['comes', holder, undefined, false],
    ['is deleted', holder, holder, true],
    ['is deleted without having had one', service('a'), service('a'), false],
    ['becomes a ClusterIP, its status still there', plain, holder, true],
    [
      'becomes a ClusterIP and still has to be released',
      { ...heldHolder, spec: plain.spec! },
      heldHolder,
      false,
    ],
    ['is released', plain, { ...heldHolder, spec: plain.spec! }, true],
    ['gets another', service('a', { address: '172.30.7.129' }), holder, true],
    ['stays as it is', { ...holder }, holder, false],
  ];
  for (const [name, now, old, isFreed] of changes)
    it(`${isFreed ? 'come free' : 'do not come free'} when a service ${name}`, () =>
      assert.equal(letsGo(now, old), isFreed));

  it('are shown by a service, which stays until its address is let go', () => {
    const given = withAddress(service('a'), '172.30.7.128');
    assert.deepEqual(
      [
        hasAddress(given, '172.30.7.128'),
        hasAddress(given, '172.30.7.129'),
        hasAddress(holder, '172.30.7.128'),
      ],
      [true, false, false],
    );
    assert.deepEqual(withAddress(given, '172.30.7.128').metadata.finalizers, given.metadata.finalizers);
  });

  const kept = withAddress(service('a'), '172.30.7.128');
  const going = { ...kept, metadata: { ...kept.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  const releases: [
    string,
    Service,
    { address: string | undefined; finalizers: number | undefined } | undefined,
  ][] = [
    ['is deleted', going, { address: '172.30.7.128', finalizers: 0 }],
    ['becomes a ClusterIP', { ...kept, spec: { type: 'ClusterIP' } }, { address: undefined, finalizers: 0 }],
    ['becomes a ClusterIP, and was never held', plain, { address: undefined, finalizers: undefined }],
    [
      'goes to another class',
      { ...kept, spec: { ...kept.spec, loadBalancerClass: 'x' } },
      { address: '172.30.7.128', finalizers: 0 },
    ],
    ['never had one', service('a'), undefined],
  ];
  for (const [name, given, expected] of releases)
    it(`are let go when a service ${name}: ${expected ? 'it is written' : 'nothing is written'}`, () => {
      const released = planRelease(given);
      const ip = released?.status?.loadBalancer?.ingress?.[0]?.ip;
      assert.deepEqual(
        released && { address: ip, finalizers: released.metadata.finalizers?.length },
        expected,
      );
    });

  it('reads pools of ranges, blocks and single addresses, and names what is none', () => {
    assert.deepEqual(parsePool('10.0.0.5-10.0.0.9, 10.1.0.7/30 10.2.0.1'), [
      { first: '10.0.0.5', last: '10.0.0.9' },
      { first: '10.1.0.4', last: '10.1.0.7' },
      { first: '10.2.0.1', last: '10.2.0.1' },
    ]);
    assert.throws(() => parsePool('10.0.0.5-x'), /10\.0\.0\.5-x is no range/);
  });
});

/** A cluster whose cache shows services as they were when it was made; the server has what was written since. */
function laggingCluster(shown: readonly Service[], stored: readonly Service[] = shown) {
  const byName = (services: readonly Service[]) =>
    new Map(services.map((each) => [`default/${each.metadata.name}`, each]));
  const [cache, server] = [byName(shown), byName(stored)];
  const given: (string | undefined)[] = [];
  const cluster = sparse<ReconcileCluster>({
    get: (_type: unknown, key: string) => cache.get(key),
    informer: () => ({ list: () => cache.values() }),
    client: { list: async () => ({ items: [...server.values()] }) },
    writeStatus: async (_type: unknown, object: Service) => {
      given.push(object.status?.loadBalancer?.ingress?.[0]?.ip);
      server.set(`default/${object.metadata.name}`, object);
      return object;
    },
    event: () => undefined,
  });
  const controller = loadBalancerController(pool);
  const { signal } = new AbortController();
  return { given, reconcile: (name: string) => controller.reconcile(`default/${name}`, cluster, signal) };
}

it('services that come together get different addresses, though the cache shows none of them yet', async () => {
  const { given, reconcile } = laggingCluster(['a', 'b'].map((name) => service(name)));
  for (const name of ['a', 'b']) await reconcile(name);
  assert.deepEqual(given, ['172.30.7.128', '172.30.7.129']);
});

it('an address that an earlier run gave is not given again, though the cache does not show it yet', async () => {
  const shown = ['a', 'b'].map((name) => service(name));
  const { given, reconcile } = laggingCluster(shown, [service('a', { address: '172.30.7.128' }), shown[1]!]);
  await reconcile('b');
  assert.deepEqual(given, ['172.30.7.129']);
});
