/**
 * An autoscaler while the load changes, metrics are missing, its user resizes the target, and it is replaced or gets a
 * rival.
 */
import type { Draft } from '../../../src/api/meta.ts';
import { Deployment, HorizontalPodAutoscaler, Pod } from '../../../src/api/resources.gen.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { deploymentOf } from '../workloads.ts';
import { changeOf, type Rule } from './history.ts';
import { find, namespace, type Run, remove, type Scenario } from './run-seed.ts';

const name = 'scaled';
const minReplicas = 2;
const maxReplicas = 6;
/** What only its user ever asks for. */
const farTooMany = 11;
const requestedMilli = 100;
const targetPercent = 50;
/** Of a request that was under way when metrics stopped. */
const afterOutageMs = 2_000;

interface Load {
  /** Pods that the load calls for. */
  pods: number;
  /** From when to when there were no metrics. */
  outages: { fromMs: number; toMs: number }[];
}

const loads = new WeakMap<Run, Load>();

export const autoscaling: Scenario = {
  nodes: 1,
  controllers: ['deployment', 'replicaset', 'horizontalpodautoscaler'],
  pauseMs: 90_000,
  rounds: 12,
  beside: (transport, run) => ({
    close: () => transport.close(),
    async send(request) {
      if (!request.path.startsWith('/apis/metrics.k8s.io/')) return transport.send(request);
      return metricsOf(run());
    },
  }),
  async begin(run) {
    loads.set(run, { pods: 3, outages: [] });
    const resources = { requests: { cpu: `${requestedMilli}m` } };
    const draft = deploymentOf(name, 3);
    const containers = [{ name: 'c', image: 'web:1', resources }];
    const template = { ...draft.spec!.template, spec: { containers } };
    await run.client.create(Deployment, {
      ...draft,
      spec: { ...draft.spec!, template },
    } as Draft<Deployment>);
    await run.client.create(HorizontalPodAutoscaler, autoscalerOf(name));
  },
  changes: [changeLoad, changeLoad, changeLoad, metricsStopOrReturn, resize, renew, rivalComesOrGoes],
  async end(run) {
    const { client, random } = run;
    setOutage(run, false);
    loads.get(run)!.pods = 1 + Math.floor(random.next() * 9);
    const rival = await find(client, HorizontalPodAutoscaler, { metadata: { name: 'rival' } });
    if (rival) await remove(run, HorizontalPodAutoscaler, rival);
    if (!(await find(client, HorizontalPodAutoscaler, { metadata: { name } })))
      await client.create(HorizontalPodAutoscaler, autoscalerOf(name));
  },
  async problems(run) {
    const { client } = run;
    const wanted = Math.min(maxReplicas, Math.max(minReplicas, loads.get(run)!.pods));
    const { spec } = await client.get(Deployment, { name, namespace });
    const { status } = await client.get(HorizontalPodAutoscaler, { name, namespace });
    return spec?.replicas === wanted &&
      status?.currentReplicas === wanted &&
      status.desiredReplicas === wanted
      ? []
      : [`replicas: ${spec?.replicas}, not ${wanted}; the autoscaler shows ${JSON.stringify(status)}`];
  },
  always: { of: [Deployment], rule: replicasRule },
};

/** Never out of bounds by the autoscaler; and nothing is scaled down as long as nobody knows the load. */
function replicasRule(run: Run): Rule {
  const { outages } = loads.get(run)!;
  return (change) => {
    const deployment = changeOf(change, Deployment);
    const [now, before] = [deployment?.object.spec?.replicas, deployment?.before?.spec?.replicas];
    if (now === undefined || before === undefined || now === before) return [];
    const isFallOfUser = asked.get(run)?.has(change.atMs);
    if (now !== farTooMany && (now < minReplicas || now > maxReplicas)) return [`scaled to ${now}`];
    const isBlind = outages.some(
      ({ fromMs, toMs }) => fromMs + afterOutageMs < change.atMs && change.atMs <= toMs,
    );
    const isFall = now < before && before <= maxReplicas && !isFallOfUser;
    return isFall && isBlind ? [`scaled down from ${before} to ${now} without metrics`] : [];
  };
}

/** When the user has resized the target. */
const asked = new WeakMap<Run, Set<number>>();

function autoscalerOf(called: string): Draft<HorizontalPodAutoscaler> {
  return sparse<Draft<HorizontalPodAutoscaler>>({
    metadata: { name: called, namespace },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas,
      maxReplicas,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: targetPercent } },
        },
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 30 } },
    },
  });
}

/** The load is shared out evenly, a little below the target of as many pods as it calls for. */
async function metricsOf(run: Run) {
  const { client, clock } = run;
  const { pods: wanted, outages } = loads.get(run)!;
  const isOut = (outages.at(-1)?.toMs ?? 0) > clock.now();
  if (isOut) return { status: 503, object: 'no metrics' };
  const pods = (await client.list(Pod, { namespace })).items.filter(
    ({ status }) => status?.phase === 'Running',
  );
  const milli = (wanted * requestedMilli * targetPercent) / 100 - 20;
  const items = pods.map(({ metadata }) => ({
    metadata: { name: metadata.name, namespace },
    timestamp: new Date(clock.now()).toISOString(),
    window: '15s',
    containers: [{ name: 'c', usage: { cpu: `${Math.round(milli / pods.length)}m`, memory: '1Mi' } }],
  }));
  return { status: 200, object: { kind: 'PodMetricsList', items } };
}

async function changeLoad(run: Run): Promise<void> {
  loads.get(run)!.pods = 1 + Math.floor(run.random.next() * 9);
}

async function metricsStopOrReturn(run: Run): Promise<void> {
  const last = loads.get(run)!.outages.at(-1);
  setOutage(run, !last || last.toMs <= run.clock.now());
}

function setOutage(run: Run, isOut: boolean): void {
  const { outages } = loads.get(run)!;
  const nowMs = run.clock.now();
  const last = outages.at(-1);
  if (isOut) outages.push({ fromMs: nowMs, toMs: Number.POSITIVE_INFINITY });
  else if (last && last.toMs > nowMs) last.toMs = nowMs;
}

async function resize(run: Run): Promise<void> {
  const { client, random, clock } = run;
  const replicas = random.next() < 0.5 ? farTooMany : minReplicas + Math.floor(random.next() * 5);
  const times = asked.get(run) ?? new Set<number>();
  asked.set(run, times.add(clock.now()));
  await client.patch(Deployment, { name, namespace }, { spec: { replicas } }, { type: 'merge' });
}

async function renew(run: Run): Promise<void> {
  const { client, random, clock } = run;
  const present = await find(client, HorizontalPodAutoscaler, { metadata: { name } });
  if (present) await remove(run, HorizontalPodAutoscaler, present);
  await clock.advance(random.next() * 20_000);
  await client.create(HorizontalPodAutoscaler, autoscalerOf(name));
}

/** Another autoscaler of the same pods: none of the two does anything until it goes. */
async function rivalComesOrGoes(run: Run): Promise<void> {
  const { client } = run;
  const rival = await find(client, HorizontalPodAutoscaler, { metadata: { name: 'rival' } });
  if (rival) await remove(run, HorizontalPodAutoscaler, rival);
  else await client.create(HorizontalPodAutoscaler, autoscalerOf('rival'));
}
