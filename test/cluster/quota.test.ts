import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  CustomResourceDefinition,
  Lease,
  LimitRange,
  Pod,
  ResourceQuota,
  Service,
} from '../../src/api/resources.gen.ts';
import { StatusError } from '../../src/api/status.ts';
import { createCluster } from './cluster.ts';
import { widget, widgetDefinition } from './widgets.ts';

const namespace = 'default';

function pod(name: string, resources: object = {}): Draft<Pod> {
  return {
    metadata: { name, namespace },
    spec: { containers: [{ name: 'main', image: 'busybox', resources }] },
  } as Draft<Pod>;
}

const quota = (hard: Record<string, string>) => ({ metadata: { name: 'q', namespace }, spec: { hard } });
const refused = (message: string) => ({ code: 403, message });

for (const isCounted of [true, false])
  test(`200 creates at once against a quota of 100 make exactly 100 pods${isCounted ? '' : ', though nothing has been counted yet'}`, async () => {
    await using cluster = await createCluster();
    const { client } = cluster;
    await client.create(ResourceQuota, quota({ pods: '100' }));
    if (isCounted) await cluster.clock.advance(5_000);
    const answers = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) => client.create(Pod, pod(`p${index}`))),
    );
    assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 100);
    assert.equal((await client.list(Pod, { namespace })).items.length, 100);
    await cluster.clock.advance(30_000);
    const { status } = await client.get(ResourceQuota, { name: 'q', namespace });
    assert.equal(status?.used?.pods, '100');
  });

test('creates and deletions that go on at the same time never pass the quota', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(ResourceQuota, quota({ pods: '10' }));
  const live = new Set<string>();
  let most = 0;
  for (let round = 0; round < 30; round++) {
    await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        const name = `p${round}-${index}`;
        const made = await client.create(Pod, pod(name)).catch(undefinedIfForbidden);
        if (made) live.add(name);
      }),
    );
    most = Math.max(most, (await client.list(Pod, { namespace })).items.length);
    const [first] = live;
    if (first && round % 2 === 0) {
      live.delete(first);
      await client.delete(Pod, { name: first, namespace }, { gracePeriodSeconds: 0 });
    }
    await cluster.clock.advance(300);
  }
  assert.equal(most, 10);
});

test('resources under a quota must be specified, and a refused pod takes nothing', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const hard = {
    'requests.cpu': '400m',
    'requests.memory': '200Mi',
    'limits.cpu': '600m',
    'limits.memory': '500Mi',
  };
  await client.create(ResourceQuota, quota(hard));
  await cluster.clock.advance(1_000);
  await assert.rejects(
    client.create(Pod, pod('kubia-manual')),
    refused(
      'pods "kubia-manual" is forbidden: failed quota: q: must specify limits.cpu,limits.memory,requests.cpu,requests.memory',
    ),
  );
  const asks = { requests: { cpu: '300m', memory: '100Mi' }, limits: { cpu: '300m', memory: '100Mi' } };
  await client.create(Pod, pod('first', asks));
  await assert.rejects(
    client.create(Pod, pod('second', asks)),
    refused(
      'pods "second" is forbidden: exceeded quota: q, requested: requests.cpu=300m, used: requests.cpu=300m, limited: requests.cpu=400m',
    ),
  );
  const { status } = await client.get(ResourceQuota, { name: 'q', namespace });
  assert.deepEqual(status?.used, {
    'limits.cpu': '300m',
    'limits.memory': '100Mi',
    'requests.cpu': '300m',
    'requests.memory': '100Mi',
  });
});

test('a create that fails for another reason gives back what it was charged', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(ResourceQuota, quota({ pods: '5' }));
  await client.create(Pod, pod('a'));
  await assert.rejects(client.create(Pod, pod('a')), { code: 409 });
  const { status } = await client.get(ResourceQuota, { name: 'q', namespace });
  assert.equal(status?.used?.pods, '1');
});

test('growth is charged like creation', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(ResourceQuota, quota({ 'requests.cpu': '800m', 'services.nodeports': '1' }));
  await cluster.clock.advance(1_000);
  await client.create(Pod, pod('grows', { requests: { cpu: '300m' } }));
  await client.create(Pod, pod('other', { requests: { cpu: '300m' } }));
  const resize = (cpu: string) =>
    client.patch(
      Pod,
      { name: 'grows', namespace },
      { spec: { containers: [{ name: 'main', resources: { requests: { cpu } } }] } },
      { type: 'strategic', subresource: 'resize' },
    );
  await assert.rejects(
    resize('600m'),
    refused(
      'pods "grows" is forbidden: exceeded quota: q, requested: requests.cpu=300m, used: requests.cpu=600m, limited: requests.cpu=800m',
    ),
  );
  await resize('500m');
  const service = { metadata: { name: 's', namespace }, spec: { ports: [{ name: 'a', port: 1 }] } };
  await client.create(Service, service);
  const change = (ports: object[]) =>
    client.patch(Service, { name: 's', namespace }, { spec: { type: 'NodePort', ports } }, { type: 'merge' });
  const two = [
    { name: 'a', port: 1 },
    { name: 'b', port: 2 },
  ];
  await assert.rejects(change(two), { code: 403 });
  await change(two.slice(0, 1));
  const { status } = await client.get(ResourceQuota, { name: 'q', namespace });
  assert.deepEqual(status?.used, { 'requests.cpu': '800m', 'services.nodeports': '1' });
});

test('a LimitRange fills in what is missing and refuses what is out of its bounds', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(LimitRange, {
    metadata: { name: 'example', namespace },
    spec: {
      limits: [
        { type: 'Pod', min: { cpu: '50m', memory: '5Mi' }, max: { cpu: '1', memory: '1Gi' } },
        {
          type: 'Container',
          defaultRequest: { cpu: '100m', memory: '10Mi' },
          default: { cpu: '200m', memory: '100Mi' },
          min: { cpu: '50m', memory: '5Mi' },
          max: { cpu: '1', memory: '1Gi' },
          maxLimitRequestRatio: { cpu: '4', memory: '10' },
        },
      ],
    },
  });
  const made = await client.create(Pod, pod('plain'));
  assert.deepEqual(made.spec?.containers[0]?.resources, {
    requests: { cpu: '100m', memory: '10Mi' },
    limits: { cpu: '200m', memory: '100Mi' },
  });
  await assert.rejects(
    client.create(Pod, pod('large', { limits: { cpu: '2', memory: '100Mi' } })),
    refused(
      'pods "large" is forbidden: [maximum cpu usage per Pod is 1, but limit is 2, maximum cpu usage per Container is 1, but limit is 2]',
    ),
  );
});

test('quotas that only count objects are released soon after a deletion, of built-in and custom kinds', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const used = async () => (await client.get(ResourceQuota, { name: 'q', namespace })).status?.used;
  const counts = (leases: string, widgets: string) => ({
    'count/leases.coordination.k8s.io': leases,
    'count/widgets.example.com': widgets,
  });
  // The quota is older than the kind that it counts.
  await client.create(ResourceQuota, quota(counts('1', '1')));
  await client.create(CustomResourceDefinition, widgetDefinition);
  await cluster.clock.advance(5_000);
  await client.create(Lease, { metadata: { name: 'a', namespace }, spec: {} });
  await client.create(widget, { metadata: { name: 'a', namespace } });
  assert.deepEqual(await used(), counts('1', '1'));
  await client.delete(Lease, { name: 'a', namespace });
  await client.delete(widget, { name: 'a', namespace });
  await cluster.clock.advance(5_000);
  assert.deepEqual(await used(), counts('0', '0'));
  await client.create(Lease, { metadata: { name: 'b', namespace }, spec: {} });
});

test('objects that were there before the quota are counted', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Lease, { metadata: { name: 'a', namespace }, spec: {} });
  await client.create(ResourceQuota, quota({ 'count/leases.coordination.k8s.io': '1' }));
  await cluster.clock.advance(2_000);
  const { status } = await client.get(ResourceQuota, { name: 'q', namespace });
  assert.equal(status?.used?.['count/leases.coordination.k8s.io'], '1');
  await assert.rejects(client.create(Lease, { metadata: { name: 'b', namespace }, spec: {} }), { code: 403 });
});

function undefinedIfForbidden(error: unknown): undefined {
  if (!(error instanceof StatusError && error.reason === 'Forbidden')) throw error;
}

test('a pod that is given a deadline takes from the quotas of such pods, and frees those of the others', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const scoped = (name: string, scope: string) =>
    client.create(ResourceQuota, {
      metadata: { name, namespace },
      spec: { hard: { pods: '1' }, scopes: [scope] },
    } as Draft<ResourceQuota>);
  await scoped('ending', 'Terminating');
  await scoped('lasting', 'NotTerminating');
  await client.create(Pod, pod('first'));
  const used = async () => {
    await cluster.clock.advance(10_000);
    const names = ['ending', 'lasting'];
    const quotas = await Promise.all(names.map((name) => client.get(ResourceQuota, { name, namespace })));
    return quotas.map(({ status }) => status?.used?.pods);
  };
  assert.deepEqual(await used(), ['0', '1']);
  const first = await client.get(Pod, { name: 'first', namespace });
  await client.update(Pod, { ...first, spec: { ...first.spec, activeDeadlineSeconds: 3600 } });
  const second = pod('second');
  const ending = { ...second, spec: { ...second.spec, activeDeadlineSeconds: 3600 } } as Draft<Pod>;
  await assert.rejects(
    client.create(Pod, ending),
    refused(
      'pods "second" is forbidden: exceeded quota: ending, requested: pods=1, used: pods=1, limited: pods=1',
    ),
  );
  assert.deepEqual(await used(), ['1', '0']);
});
