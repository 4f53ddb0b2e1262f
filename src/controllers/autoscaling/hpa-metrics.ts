/** Evaluates one metric of an autoscaler: reads it, compares it with its target, and reports what it saw. */
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import { computePodRequests, numericAmounts } from '../../api/quantities/pod-resources.ts';
import { formatQuantity, milliValueOf, quantityFromMilli } from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type {
  ContainerResourceMetricSource,
  ExternalMetricSource,
  MetricIdentifier,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  ObjectMetricSource,
  PodsMetricSource,
  ResourceMetricSource,
} from '../../api/types/autoscaling-v2.gen.ts';
import type { Client } from '../../client/client.ts';
import { goSelector } from '../go-selector.ts';
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
  /** The desired and the present number of replicas of the target. */
  specReplicas: number;
  statusReplicas: number;
  /** The target's pods, and the selector text that selects them. */
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
  const { resource, containerResource, pods, object, external } = spec;
  if (resource)
    return summed(`failed to get ${resource.name} resource metric value: `, () =>
      computeResource(resource, undefined, context),
    );
  if (containerResource)
    return summed(`failed to get ${containerResource.container} container metric value: `, () =>
      computeResource(containerResource, containerResource.container, context),
    );
  if (pods) return summed('failed to get pods metric value: ', () => computePods(pods, context));
  if (object) {
    const isShared = object.target.averageValue !== undefined;
    const more = isShared ? `failed to get ${object.metric.name} object metric: ` : '';
    return summed(`failed to get object metric value: ${more}`, () => computeObject(object, context));
  }
  if (external) {
    const { metric, target } = external;
    const more =
      target.averageValue !== undefined ? `${metric.name} external metric` : `external metric ${metric.name}`;
    return summed(`failed to get ${metric.name} external metric value: failed to get ${more}: `, () =>
      computeExternal(external, context),
    );
  }
  throw new MetricProblem(`unknown metric source type "${spec.type}"`);
}

/** An inner problem keeps its message; in the summary of all metrics, `prefix` precedes it. */
async function summed<T>(prefix: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MetricProblem) throw new MetricProblem(error.message, `${prefix}${error.summary}`);
    throw error;
  }
}

async function computeResource(
  { name, target }: ResourceMetricSource | ContainerResourceMetricSource,
  container: string | undefined,
  context: MetricContext,
): Promise<MetricOutcome> {
  const statusOf = (current: MetricValueStatus): MetricStatus =>
    container === undefined
      ? { type: 'Resource', resource: { name, current } }
      : { type: 'ContainerResource', containerResource: { name, container, current } };
  if (target.averageValue === undefined && target.averageUtilization === undefined)
    throw new MetricProblem(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    );
  const what = target.averageValue !== undefined ? 'usage' : 'utilization';
  return prefixing(`failed to get ${name} ${what}: `)(async () => {
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
      const status = statusOf(valueStatus(proposal, name));
      return { replicas: proposal.replicas, name: `${name} resource`, status };
    }
    const proposal = replicasForUtilization(
      target.averageUtilization!,
      () => podRequests(context.pods, name, container),
      plain(metrics, context, name),
    );
    return {
      replicas: proposal.replicas,
      name: `${name} ${container === undefined ? '' : 'container '}resource utilization (percentage of request)`,
      status: statusOf(valueStatus(proposal, name)),
    };
  });
}

async function computePods(
  { metric, target }: PodsMetricSource,
  context: MetricContext,
): Promise<MetricOutcome> {
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
}

async function computeObject(
  { metric, target, describedObject }: ObjectMetricSource,
  context: MetricContext,
): Promise<MetricOutcome> {
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
    // Upstream calls an averaged object metric an external one.
    name: target.averageValue !== undefined ? externalName(metric) : `${kind} metric ${metric.name}`,
    status: { type: 'Object', object: { metric, describedObject, current } },
  };
}

async function computeExternal(
  { metric, target }: ExternalMetricSource,
  context: MetricContext,
): Promise<MetricOutcome> {
  const milli = await prefixing(
    `unable to get external metric ${context.namespace}/${metric.name}/${goSelector(metric.selector)}: `,
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
    name: externalName(metric),
    status: { type: 'External', external: { metric, current } },
  };
}

function externalName({ name, selector }: MetricIdentifier): string {
  return `external metric ${name}(${goSelector(selector)})`;
}

/** One value for all pods: averaged over them, or compared as it is. */
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
  const options = { current: specReplicas, pods, tolerances };
  const replicas = replicasForValue(milli, milliValueOf(target.value ?? '0'), options);
  return { replicas, current: { value: formatQuantity(quantityFromMilli(milli)) } };
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
    const { containers: regular = [], initContainers = [] } = pod.spec ?? {};
    const containers = [...regular, ...initContainers.filter(isSidecar)];
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

/** Plain amounts are thousandths for cpu and whole units for everything else. */
function milliOf(resource: string, amount: number): number {
  return resource === 'cpu' ? amount : amount * 1000;
}

/** Whole bytes of memory are written as the metrics API writes them: `10Mi`. */
function valueStatus({ utilization, averageMilli }: Proposal, resource?: string): MetricValueStatus {
  const isBinary = resource === 'memory' && averageMilli % 1000 === 0;
  const averageValue = formatQuantity({
    ...quantityFromMilli(averageMilli),
    ...(isBinary && { format: 'BinarySI' as const }),
  });
  return { averageValue, ...(utilization !== undefined && { averageUtilization: utilization }) };
}

/** Prefixes the message of an inner problem. */
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
