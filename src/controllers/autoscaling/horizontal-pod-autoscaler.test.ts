import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HorizontalPodAutoscaler, Pod } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import type { HorizontalPodAutoscalerCondition } from '../../api/types/autoscaling-v2.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { horizontalPodAutoscalerController } from './horizontal-pod-autoscaler.ts';

const hpa = sparse<HorizontalPodAutoscaler>({
  metadata: { name: 'h', namespace: 'default', uid: 'h' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    maxReplicas: 5,
    metrics: [
      {
        type: 'Object',
        object: {
          describedObject: { apiVersion: 'x.io/v1', kind: 'Thing', name: 't' },
          metric: { name: 'rate' },
          target: { type: 'Value', value: '1' },
        },
      },
      {
        type: 'Resource',
        resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } },
      },
    ],
  },
});
const pod = sparse<Pod>({
  metadata: { name: 'p', namespace: 'default', labels: { app: 'web' } },
  status: { phase: 'Running' },
});

const answers: Record<string, unknown> = {
  '/apis/apps/v1': {
    resources: [
      { name: 'deployments', kind: 'Deployment' },
      { name: 'deployments/scale', kind: 'Scale' },
    ],
  },
  '/apis/apps/v1/namespaces/default/deployments/web/scale': {
    spec: { replicas: 1 },
    status: { replicas: 1, selector: 'app=web' },
  },
  '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb': {
    items: [
      {
        metadata: { name: 'p' },
        timestamp: '2026-01-01T00:00:00Z',
        window: '15s',
        containers: [{ name: 'c', usage: { memory: '2Gi' } }],
      },
    ],
  },
};

/** Evaluates the autoscaler once for each of the answers, fifteen seconds apart. */
async function evaluate(
  autoscaler: HorizontalPodAutoscaler,
  ...rounds: Record<string, unknown>[]
): Promise<{ written: unknown[]; events: string[]; conditions: HorizontalPodAutoscalerCondition[] }> {
  const clock = new VirtualClock();
  const seen = { written: [] as unknown[], events: [] as string[] };
  let served: Record<string, unknown> = {};
  let conditions: HorizontalPodAutoscalerCondition[] = [];
  const cluster = sparse<ReconcileCluster>({
    clock,
    logger: silentLogger,
    get: () => autoscaler,
    informer: () => ({ inNamespace: () => [pod] }),
    client: {
      raw: async (method: string, path: string, body: { spec: object }) => {
        if (method === 'PUT') seen.written.push(body.spec);
        else if (!served[path]) throw new StatusError(404, 'NotFound', 'not there');
        return served[path];
      },
    },
    updateStatus: async (_type: unknown, _hpa: unknown, status: HorizontalPodAutoscaler['status']) => {
      conditions = status?.conditions ?? [];
    },
    event: (_about: unknown, _type: unknown, reason: string, message: string) =>
      void seen.events.push(`${reason}: ${message}`),
  });
  const controller = horizontalPodAutoscalerController();
  const { signal } = new AbortController();
  await controller.reconcile('default/h', cluster, signal);
  for (const answers of rounds) {
    served = answers;
    await clock.advance(15_000);
    await controller.reconcile('default/h', cluster, signal);
  }
  return { ...seen, conditions };
}

test('a metric of an object of an unknown kind keeps no other metric from counting', async () => {
  const { written, events } = await evaluate(hpa, answers);
  assert.deepEqual(written, [{ replicas: 2 }]);
  assert.equal(
    events[0],
    'FailedGetObjectMetric: unable to get metric rate: Thing on default t/unable to fetch metrics from custom metrics API: unable to map kind Thing.x.io to resource: no matches for kind "Thing" in group "x.io"',
  );
});

const onMemory = { ...hpa, spec: { ...hpa.spec!, metrics: hpa.spec!.metrics!.slice(1) } };
const scalePath = '/apis/apps/v1/namespaces/default/deployments/web/scale';
const scaleOf = (replicas: number, selector = 'app=web') => ({
  ...answers,
  [scalePath]: { spec: { replicas }, status: { replicas, selector } },
});

test('a target is found in a version that its group serves, whichever version is named', async () => {
  const { scaleTargetRef, ...spec } = onMemory.spec;
  const named = (apiVersion: string, kind = 'Deployment') => ({
    ...onMemory,
    spec: { ...spec, scaleTargetRef: { ...scaleTargetRef, apiVersion, kind } },
  });
  const served = { ...answers, '/apis/apps': { versions: [{ version: 'v1' }] } };
  assert.deepEqual((await evaluate(named('apps/v1beta9'), served)).written, [{ replicas: 2 }]);
  const { events } = await evaluate(named('apps/v1', 'Oddity'), served);
  assert.deepEqual(events, ['FailedGetScale: no matches for kind "Oddity" in group "apps"']);
});

test('a size that a limit alone asks for is given no reason of the metrics', async () => {
  const { events } = await evaluate(onMemory, scaleOf(4), scaleOf(2));
  assert.deepEqual(events, ['SuccessfulRescale: New size: 4; reason: ']);
});

test('a selector that is none is reported as such', async () => {
  const { events, conditions } = await evaluate(onMemory, scaleOf(1, 'app in web'));
  assert.match(
    events[0]!,
    /^InvalidSelector: couldn't convert selector into a corresponding internal selector object: /,
  );
  const active = conditions.find(({ type }) => type === 'ScalingActive');
  assert.equal(active?.reason, 'InvalidSelector');
});
