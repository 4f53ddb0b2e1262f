import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import { Deployment, Event, HorizontalPodAutoscaler, Pod } from '../../src/api/resources.gen.ts';
import { sparse } from '../../src/base/sparse.fixture.ts';
import type { Transport } from '../../src/client/transport/transport.ts';
import { type Cluster, createCluster } from './cluster.ts';

const namespace = 'default';

/** What all pods together use, in thousandths of a cpu: shared out evenly, as a service does it. */
interface Load {
  milli: number;
  /** Pods that give no metrics. */
  missing: ReadonlySet<string>;
}

async function scaledCluster(
  load: Load,
  spec: object,
  replicas = 1,
): Promise<{ cluster: Cluster; hpa(): Promise<HorizontalPodAutoscaler>; replicas(): Promise<number> }> {
  const holder: { cluster?: Cluster } = {};
  const wrapTransport = (transport: Transport): Transport => ({
    close: () => transport.close(),
    async send(request) {
      if (!request.path.startsWith('/apis/metrics.k8s.io/')) return transport.send(request);
      const { client, clock } = holder.cluster!;
      const pods = (await client.list(Pod, { namespace })).items.filter(
        ({ status }) => status?.phase === 'Running',
      );
      const timestamp = new Date(clock.now()).toISOString();
      const items = pods
        .filter(({ metadata }) => !load.missing.has(metadata.name))
        .map(({ metadata }) => ({
          metadata: { name: metadata.name, namespace },
          timestamp,
          window: '15s',
          containers: [
            { name: 'c', usage: { cpu: `${Math.round(load.milli / pods.length)}m`, memory: '1Mi' } },
          ],
        }));
      return { status: 200, object: { kind: 'PodMetricsList', items } };
    },
  });
  const cluster = await createCluster({ wrapTransport });
  holder.cluster = cluster;
  const { client } = cluster;
  const labels = { app: 'kubia' };
  await client.create(
    Deployment,
    sparse<Draft<Deployment>>({
      metadata: { name: 'kubia', namespace },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: 'c', image: 'kubia', resources: { requests: { cpu: '100m' } } }] },
        },
      },
    }),
  );
  await cluster.until(
    async () =>
      (await client.get(Deployment, { name: 'kubia', namespace })).status?.readyReplicas === replicas,
  );
  // Past the time in which a new pod's cpu says little.
  await cluster.clock.advance(6 * 60_000);
  await client.create(HorizontalPodAutoscaler, {
    metadata: { name: 'kubia', namespace },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'kubia' },
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 30 } },
        },
      ],
      ...spec,
    },
  } as Draft<HorizontalPodAutoscaler>);
  return {
    cluster,
    hpa: () => client.get(HorizontalPodAutoscaler, { name: 'kubia', namespace }),
    replicas: async () => (await client.get(Deployment, { name: 'kubia', namespace })).spec?.replicas ?? 0,
  };
}

const conditionOf = (hpa: HorizontalPodAutoscaler, type: string) =>
  hpa.status?.conditions?.find((condition) => condition.type === type);

/** Replicas after each minute. */
async function curve(cluster: Cluster, replicas: () => Promise<number>, minutes: number): Promise<number[]> {
  const points: number[] = [];
  for (let minute = 0; minute < minutes; minute++) {
    await cluster.clock.advance(60_000);
    points.push(await replicas());
  }
  return points;
}

test('three idle replicas become one after the stabilization window', async () => {
  const load = { milli: 0, missing: new Set<string>() };
  const { cluster, replicas, hpa } = await scaledCluster(load, {}, 3);
  assert.deepEqual(await curve(cluster, replicas, 6), [3, 3, 3, 3, 3, 1]);
  const { status } = await hpa();
  assert.equal(status?.currentMetrics?.[0]?.resource?.current.averageUtilization, 0);
  assert.equal(conditionOf(await hpa(), 'ScalingActive')?.reason, 'ValidMetricFound');
  await cluster[Symbol.asyncDispose]();
});

test('load scales up, at most to double or four at a time, and back after five quiet minutes', async () => {
  const load = { milli: 38, missing: new Set<string>() };
  const { cluster, replicas, hpa } = await scaledCluster(load, { maxReplicas: 10 });
  await cluster.clock.advance(20_000);
  assert.equal(await replicas(), 2);
  load.milli = 1_000;
  // New pods count as idle until their cpu means something: the size grows by what the old ones show.
  await cluster.clock.advance(20_000);
  const grown = await replicas();
  assert.ok(grown > 2 && grown <= 4, `${grown}`);
  await cluster.clock.advance(15 * 60_000);
  assert.equal(await replicas(), 10);
  assert.equal(conditionOf(await hpa(), 'ScalingLimited')?.reason, 'TooManyReplicas');
  load.milli = 0;
  await cluster.clock.advance(4 * 60_000);
  assert.equal(await replicas(), 10);
  await cluster.clock.advance(3 * 60_000);
  assert.equal(await replicas(), 1);
  const events = (await cluster.client.list(Event, { namespace })).items.filter(
    ({ reason }) => reason === 'SuccessfulRescale',
  );
  const messages = events.map(({ message }) => message);
  assert.ok(
    messages.includes('New size: 2; reason: cpu resource utilization (percentage of request) above target'),
    messages.join('\n'),
  );
  assert.ok(messages.includes('New size: 1; reason: All metrics below target'), messages.join('\n'));
  await cluster[Symbol.asyncDispose]();
});

test('a policy bounds how fast it goes down', async () => {
  const load = { milli: 0, missing: new Set<string>() };
  const behavior = {
    scaleDown: { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] },
  };
  const { cluster, replicas, hpa } = await scaledCluster(load, { behavior }, 5);
  await cluster.clock.advance(30_000);
  assert.equal(await replicas(), 4);
  assert.deepEqual(await curve(cluster, replicas, 4), [3, 2, 1, 1]);
  assert.equal(conditionOf(await hpa(), 'ScalingLimited')?.reason, 'TooFewReplicas');
  await cluster[Symbol.asyncDispose]();
});

test('a metric within a tenth of its target changes nothing', async () => {
  const load = { milli: 64, missing: new Set<string>() };
  const { cluster, replicas } = await scaledCluster(load, {}, 2);
  await cluster.clock.advance(10 * 60_000);
  assert.equal(await replicas(), 2);
  await cluster[Symbol.asyncDispose]();
});

test('pods without metrics keep the size up', async () => {
  const load: Load = { milli: 20, missing: new Set() };
  const { cluster, replicas } = await scaledCluster(load, {}, 2);
  const [first] = (await cluster.client.list(Pod, { namespace })).items;
  load.missing = new Set([first!.metadata.name]);
  await cluster.clock.advance(10 * 60_000);
  assert.equal(await replicas(), 2);
  await cluster[Symbol.asyncDispose]();
});

test('a target that is not there, at zero, or too small says so', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const make = (name: string, minReplicas: number, more: object = {}) =>
    client.create(HorizontalPodAutoscaler, {
      metadata: { name, namespace },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
        minReplicas,
        maxReplicas: 3,
        ...more,
      },
    } as Draft<HorizontalPodAutoscaler>);
  const deploy = (name: string, replicas: number) =>
    client.create(
      Deployment,
      sparse<Draft<Deployment>>({
        metadata: { name, namespace },
        spec: {
          replicas,
          selector: { matchLabels: { app: name } },
          template: {
            metadata: { labels: { app: name } },
            spec: { containers: [{ name: 'c', image: 'x' }] },
          },
        },
      }),
    );
  await deploy('zero', 0);
  await deploy('small', 1);
  await make('none', 1);
  await make('zero', 1);
  await make('small', 2);
  await make('strange', 1, { scaleTargetRef: { apiVersion: 'no.such/v1', kind: 'Thing', name: 'x' } });
  await deploy('blind', 1);
  const external = { metric: { name: 'q' }, target: { type: 'Value', value: '10' } };
  await make('blind', 1, { metrics: [{ type: 'External', external }] });
  await cluster.clock.advance(20_000);
  const get = (name: string) => client.get(HorizontalPodAutoscaler, { name, namespace });
  assert.equal(conditionOf(await get('none'), 'AbleToScale')?.reason, 'FailedGetScale');
  assert.match(
    conditionOf(await get('none'), 'AbleToScale')?.message ?? '',
    /deployments\.apps "none" not found$/,
  );
  assert.match(
    conditionOf(await get('strange'), 'AbleToScale')?.message ?? '',
    /no matches for kind "Thing" in group "no\.such"$/,
  );
  assert.equal(conditionOf(await get('blind'), 'ScalingActive')?.reason, 'FailedGetExternalMetric');
  assert.equal(conditionOf(await get('zero'), 'ScalingActive')?.reason, 'ScalingDisabled');
  assert.equal((await client.get(Deployment, { name: 'small', namespace })).spec?.replicas, 2);
});

test('two autoscalers of the same pods say so, and neither scales', async () => {
  const load: Load = { milli: 300, missing: new Set() };
  const { cluster, hpa, replicas } = await scaledCluster(load, { minReplicas: 2 }, 2);
  const { client } = cluster;
  const { spec } = await hpa();
  await client.create(HorizontalPodAutoscaler, {
    metadata: { name: 'another', namespace },
    spec,
  } as Draft<HorizontalPodAutoscaler>);
  const another = () => client.get(HorizontalPodAutoscaler, { name: 'another', namespace });
  await cluster.until(
    async () => conditionOf(await another(), 'ScalingActive')?.reason === 'AmbiguousSelector',
  );
  const before = await replicas();
  await cluster.clock.advance(60_000);
  assert.equal(
    conditionOf(await hpa(), 'ScalingActive')?.message,
    'pods by selector app=kubia are controlled by multiple HPAs: [default/another default/kubia]',
  );
  assert.equal(await replicas(), before);
  await client.delete(HorizontalPodAutoscaler, { name: 'another', namespace });
  await cluster.until(async () => conditionOf(await hpa(), 'ScalingActive')?.status === 'True');
  await cluster[Symbol.asyncDispose]();
});

test('for an unreadable metric, its place, the reason and the summary are reported', async () => {
  const load: Load = { milli: 60, missing: new Set() };
  const external = { metric: { name: 'queue', selector: { matchLabels: { b: '2', a: '1' } } } };
  const { cluster, hpa } = await scaledCluster(load, {
    metrics: [
      { type: 'External', external: { ...external, target: { type: 'AverageValue', averageValue: '5' } } },
      {
        type: 'Resource',
        resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '8Mi' } },
      },
    ],
  });
  const { client } = cluster;
  await cluster.until(async () => (await hpa()).status?.currentMetrics?.length === 2);
  const { status } = await hpa();
  assert.equal(status?.currentMetrics?.[0]?.type, '');
  assert.equal(status?.currentMetrics?.[1]?.resource?.current.averageValue, '1Mi');
  const recorded = (await client.list(Event, { namespace })).items
    .filter(({ involvedObject }) => involvedObject.kind === 'HorizontalPodAutoscaler')
    .map(({ reason, message }) => `${reason}: ${message}`);
  const selector =
    '&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{},}';
  const inner = `unable to get external metric default/queue/${selector}: unable to fetch metrics from external metrics API: `;
  assert.ok(
    recorded.some((text) => text.startsWith(`FailedGetExternalMetric: ${inner}`)),
    recorded.join('\n'),
  );
  await cluster[Symbol.asyncDispose]();
});
