/** Endpoints: the old form of a Service's addresses, at most 1,000 of them, for clients that still read it. */

import { type Draft, type KubeObject, splitKey } from '../../api/meta.ts';
import { Endpoints, Pod, Service } from '../../api/resources.gen.ts';
import { matchesLabels } from '../../api/selectors/label-selector.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { leaderAnnotation } from '../../api/well-known.ts';
import {
  type AnyController,
  defineController,
  quietMsFor,
  watch,
} from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { addressablePods, concernsEndpoints, hasSelector, servicesOf } from './endpoints/endpoint-pods.ts';
import { reportRefusal } from './endpoints/endpoint-refusal.ts';
import { TriggerTimes } from './endpoints/endpoint-trigger-time.ts';
import { planEndpoints } from './endpoints/endpoints-plan.ts';

/** Endpoints with this annotation hold a lock, and no addresses. */

export function endpointsController(): AnyController {
  const triggerTimes = new TriggerTimes();
  return defineController({
    name: 'endpoint',
    component: 'endpoint-controller',
    reconciles: Service,
    watches: [
      watch(Pod, (pod, old, informers) =>
        old && old !== pod && !concernsEndpoints(pod, old) ? [] : servicesOf(informers.of(Service), pod, old),
      ),
      watch(Endpoints, (endpoints, old, informers) =>
        old && informers.of(Service).get(serviceKeyOf(endpoints)) ? [serviceKeyOf(endpoints)] : [],
      ),
    ],
    async reconcile(key, cluster, signal) {
      const service = cluster.get(Service, key);
      const present = cluster.get(Endpoints, key);
      if (!service) {
        triggerTimes.forget(key);
        // Including Endpoints made for the Service by hand.
        const mayGo = present && !(leaderAnnotation in (present.metadata.annotations ?? {}));
        if (mayGo && (await isGone(cluster, key, signal))) await cluster.delete(Endpoints, present, signal);
        return;
      }
      if (!hasSelector(service)) return;
      const selector = service.spec!.selector!;
      const pods = [...cluster.informer(Pod).inNamespace(service.metadata.namespace!)].filter((pod) =>
        matchesLabels(selector, pod.metadata.labels),
      );
      const { create, update } = planEndpoints(service, addressablePods(pods, selector), {
        present,
        triggerTime: triggerTimes.next(key, service, pods),
      });
      if (create) await createEndpoints(cluster, create, signal);
      if (update) await updateEndpoints(cluster, update, signal);
      return create ? undefined : { quietMs: quietMsFor(pods.length) };
    },
  });
}

/** The cache may lack a Service that was made again under its name: its Endpoints are not to be lost. */
async function isGone(cluster: ReconcileCluster, key: string, signal: AbortSignal): Promise<boolean> {
  return (await cluster.client.get(Service, splitKey(key), signal).catch(undefinedIfNotFound)) === undefined;
}

async function createEndpoints(
  cluster: ReconcileCluster,
  endpoints: Draft<Endpoints>,
  signal: AbortSignal,
): Promise<void> {
  const { name, namespace } = endpoints.metadata;
  await reportRefusal(cluster.create(Endpoints, endpoints, signal), (why) =>
    recordFailure(
      cluster,
      { name, namespace },
      {
        reason: 'FailedToCreateEndpoint',
        message: `Failed to create endpoint for service ${namespace}/${name}: ${why}`,
      },
    ),
  );
}

async function updateEndpoints(
  cluster: ReconcileCluster,
  endpoints: Endpoints,
  signal: AbortSignal,
): Promise<void> {
  const { name, namespace } = endpoints.metadata;
  await reportRefusal(cluster.update(Endpoints, endpoints, signal).catch(undefinedIfNotFound), (why) =>
    recordFailure(cluster, endpoints.metadata, {
      reason: 'FailedToUpdateEndpoint',
      message: `Failed to update endpoint ${namespace}/${name}: ${why}`,
    }),
  );
}

/** Before they exist, Endpoints are named only. */
function recordFailure(
  cluster: ReconcileCluster,
  metadata: Partial<Endpoints['metadata']>,
  { reason, message }: { reason: string; message: string },
): void {
  cluster.event(targetOf(Endpoints, { metadata } as Endpoints), 'Warning', reason, message);
}

function serviceKeyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}
