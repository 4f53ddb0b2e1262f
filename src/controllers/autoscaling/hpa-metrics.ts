/** What one metric of an autoscaler asks for: reads it, compares it with its target, and says what it saw. */
import { computePodRequests, numericAmounts } from '../../api/pod-resources.ts';
import { formatQuantity, milliValueOf, quantityFromMilli } from '../../api/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type {
  ContainerResourceMetricSource,
  ExternalMetricSource,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  ObjectMetricSource,
  PodsMetricSource,
  ResourceMetricSource,
} from '../../api/types/autoscaling-v2.gen.ts';
import type { Client } from '../../client/client.ts';
import {
  readExternalMetric,
  readObjectMetric,
  readPodsMetric,
  readResourceMetrics,
} from './hpa-metrics-client.ts';
import {
  MetricProblem,
  type PlainOptions,
  type PodMetrics,
  type Proposal,
  replicasForAverage,
  replicasForShare,
  replicasForUtilization,
  replicasForValue,
  type Tolerances,
} from './hpa-replicas.ts';

export interface MetricContext {
  client: Client;
  namespace: string;
  /** Replicas that the target is to have, and that it has. */
  specReplicas: number;
  statusReplicas: number;
  /** The target's pods, and the text that selects them. */
  pods: readonly Pod[];
  selector: string;
  tolerances: Tolerances;
  nowMs: number;
  /** `pods`, `ingresses.networking.k8s.io`: how the custom metrics API names a kind. */
  resourceOf(reference: { kind: string; apiVersion?: string }): Promise<string>;
  signal: AbortSignal;
}

export interface MetricOutcome {
  replicas: number;
  /** For conditions and events. */
  name: string;
  status: MetricStatus;
}

/** Reasons of the condition ScalingActive by type of metric. */
export const failureReasons: Record<string, string> = {
  Resource: 'FailedGetResourceMetric',
  ContainerResource: 'FailedGetContainerResourceMetric',
  Pods: 'FailedGetPodsMetric',
  Object: 'FailedGetObjectMetric',
  External: 'FailedGetExternalMetric',
};

/** @throws {MetricProblem} in upstream's words */
export function computeMetric(spec: MetricSpec, context: MetricContext): Promise<MetricOutcome> {
  if (spec.resource) return computeResource(spec.resource, undefined, context);
  if (spec.containerResource)
    return computeResource(spec.containerResource, spec.containerResource.container, context);
  if (spec.pods) return computePods(spec.pods, context);
  if (spec.object) return computeObject(spec.object, context);
  if (spec.external) return computeExternal(spec.external, context);
  throw new MetricProblem(`unknown metric source type "${spec.type}"`);
}

async function computeResource(
  { name, target }: ResourceMetricSource | ContainerResourceMetricSource,
  container: string | undefined,
  context: MetricContext,
): Promise<MetricOutcome> {
  const subject = container === undefined ? `${name} resource` : `${name} container resource`;
  const statusOf = (current: MetricValueStatus): MetricStatus =>
    container === undefined
      ? { type: 'Resource', resource: { name, current } }
      : { type: 'ContainerResource', containerResource: { name, container, current } };
  const kind = container === undefined ? 'resource' : 'container resource';
  if (target.averageValue === undefined && target.averageUtilization === undefined)
    throw new MetricProblem(
      `invalid ${kind} metric source: neither an average utilization target nor an average value (usage) target was set`,
    );
  const what = target.averageValue !== undefined ? 'usage' : 'utilization';
  const wrap = prefixing(`failed to get ${name}${container === undefined ? '' : ' container'} ${what}: `);
  return wrap(async () => {
    const metrics = await prefixing(`unable to get metrics for resource ${name}: `)(() => {
      const query = { namespace: context.namespace, selector: context.selector, resource: name };
      return readResourceMetrics(
        context.client,
        container === undefined ? query : { ...query, container },
        context.signal,
      );
    });
    if (target.averageValue !== undefined) {
      const proposal = replicasForAverage(milliValueOf(target.averageValue), plain(metrics, context, name));
      return { replicas: proposal.replicas, name: subject, status: statusOf(valueStatus(proposal)) };
    }
    const requests = podRequests(context.pods, name, container);
    const proposal = replicasForUtilization(
      target.averageUtilization!,
      requests,
      plain(metrics, context, name),
    );
    return {
      replicas: proposal.replicas,
      name: `${subject} utilization (percentage of request)`,
      status: statusOf(valueStatus(proposal)),
    };
  });
}

async function computePods(
  { metric, target }: PodsMetricSource,
  context: MetricContext,
): Promise<MetricOutcome> {
  return prefixing('failed to get pods metric value: ')(async () => {
    const metrics = await prefixing(`unable to get metric ${metric.name}: `)(() =>
      readPodsMetric(
        context.client,
        {
          namespace: context.namespace,
          selector: context.selector,
          metric: metric.name,
          metricSelector: metric.selector,
        },
        context.signal,
      ),
    );
    const proposal = replicasForAverage(
      milliValueOf(target.averageValue ?? '0'),
      plain(metrics, context, undefined),
    );
    return {
      replicas: proposal.replicas,
      name: `pods metric ${metric.name}`,
      status: { type: 'Pods', pods: { metric, current: valueStatus(proposal) } },
    };
  });
}

async function computeObject(
  { metric, target, describedObject }: ObjectMetricSource,
  context: MetricContext,
): Promise<MetricOutcome> {
  return prefixing('failed to get object metric value: ')(async () => {
    const { kind, name: objectName } = describedObject;
    const milli = await prefixing(
      `unable to get metric ${metric.name}: ${kind} on ${context.namespace} ${objectName}/`,
    )(async () =>
      readObjectMetric(
        context.client,
        {
          namespace: context.namespace,
          resource: await context.resourceOf(describedObject),
          name: objectName,
          metric: metric.name,
          metricSelector: metric.selector,
        },
        context.signal,
      ),
    );
    const { replicas, current } = weighValue(milli, target, context);
    return {
      replicas,
      name: `${kind} metric ${metric.name}`,
      status: { type: 'Object', object: { metric, describedObject, current } },
    };
  });
}

async function computeExternal(
  { metric, target }: ExternalMetricSource,
  context: MetricContext,
): Promise<MetricOutcome> {
  return prefixing(`failed to get ${metric.name} external metric value: `)(async () => {
    const selector = JSON.stringify(metric.selector ?? null);
    const milli = await prefixing(
      `unable to get external metric ${context.namespace}/${metric.name}/${selector}: `,
    )(() =>
      readExternalMetric(
        context.client,
        { namespace: context.namespace, metric: metric.name, metricSelector: metric.selector },
        context.signal,
      ),
    );
    const { replicas, current } = weighValue(milli, target, context);
    return {
      replicas,
      name: `external metric ${metric.name}(${selector})`,
      status: { type: 'External', external: { metric, current } },
    };
  });
}

/** One value for all pods: shared out over them, or compared as it is. */
function weighValue(
  milli: number,
  target: MetricTarget,
  { specReplicas, statusReplicas, pods, tolerances }: MetricContext,
): { replicas: number; current: MetricValueStatus } {
  if (target.averageValue !== undefined) {
    const proposal = replicasForShare(milli, milliValueOf(target.averageValue), {
      statusReplicas,
      tolerances,
    });
    return { replicas: proposal.replicas, current: valueStatus(proposal) };
  }
  const readyPods = pods.filter(isReady).length;
  const replicas = replicasForValue(milli, milliValueOf(target.value ?? '0'), {
    current: specReplicas,
    readyPods,
    tolerances,
  });
  return { replicas, current: { value: formatQuantity(quantityFromMilli(milli)) } };
}

function isReady({ status, metadata }: Pod): boolean {
  if (metadata.deletionTimestamp || status?.phase !== 'Running') return false;
  return status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
}

function plain(metrics: PodMetrics, context: MetricContext, resource: string | undefined): PlainOptions {
  const { specReplicas, pods, tolerances, nowMs } = context;
  return {
    current: specReplicas,
    pods,
    metrics,
    tolerances,
    nowMs,
    ...(resource !== undefined && { resource }),
  };
}

/** In thousandths by pod name. */
function podRequests(
  pods: readonly Pod[],
  resource: string,
  container: string | undefined,
): Map<string, number> {
  const requests = new Map<string, number>();
  for (const pod of pods) {
    const sidecars =
      pod.spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always') ?? [];
    const containers = [...(pod.spec?.containers ?? []), ...sidecars];
    const podLevel = container === undefined ? pod.spec?.resources?.requests?.[resource] : undefined;
    if (podLevel !== undefined) {
      requests.set(
        pod.metadata.name,
        milliOf(resource, computePodRequests(pod, numericAmounts).get(resource) ?? 0),
      );
      continue;
    }
    let total = 0;
    for (const { name, resources } of containers) {
      if (container !== undefined && name !== container) continue;
      const text = resources?.requests?.[resource];
      if (text === undefined)
        throw new MetricProblem(
          `missing request for ${resource} in container ${name} of Pod ${pod.metadata.name}`,
        );
      total += milliValueOf(text);
    }
    requests.set(pod.metadata.name, total);
  }
  return requests;
}

/** Plain amounts are thousandths for cpu and whole units for the rest. */
function milliOf(resource: string, amount: number): number {
  return resource === 'cpu' ? amount : amount * 1000;
}

function valueStatus({ utilization, averageMilli }: Proposal): MetricValueStatus {
  const averageValue = formatQuantity(quantityFromMilli(averageMilli));
  return { averageValue, ...(utilization !== undefined && { averageUtilization: utilization }) };
}

/** Puts words before the message of a problem that comes up inside. */
function prefixing(prefix: string): <T>(work: () => Promise<T>) => Promise<T> {
  return async (work) => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof MetricProblem) throw new MetricProblem(`${prefix}${error.message}`);
      throw error;
    }
  };
}
