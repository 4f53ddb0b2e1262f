import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HorizontalPodAutoscaler, Pod } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ReconcileCluster } from '../../client/controller-cluster.ts';
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

test('a metric of an object of an unknown kind keeps no other metric from counting', async () => {
  const clock = new VirtualClock();
  const written: unknown[] = [];
  const events: string[] = [];
  const cluster = sparse<ReconcileCluster>({
    clock,
    logger: silentLogger,
    get: () => hpa,
    informer: () => ({ inNamespace: () => [pod] }),
    client: {
      raw: async (method: string, path: string, body: { spec: object }) => {
        if (method === 'PUT') written.push(body.spec);
        else if (!answers[path]) throw new StatusError(404, 'NotFound', 'not there');
        return answers[path];
      },
    },
    updateStatus: async () => hpa,
    event: (_about: unknown, _type: unknown, reason: string, message: string) =>
      void events.push(`${reason}: ${message}`),
  });
  const controller = horizontalPodAutoscalerController();
  const { signal } = new AbortController();
  await controller.reconcile('default/h', cluster, signal);
  await clock.advance(15_000);
  await controller.reconcile('default/h', cluster, signal);
  assert.deepEqual(written, [{ replicas: 2 }]);
  assert.equal(
    events[0],
    'FailedGetObjectMetric: unable to get metric rate: Thing on default t/unable to fetch metrics from custom metrics API: unable to map kind Thing.x.io to resource: no matches for kind "Thing" in group "x.io"',
  );
});
