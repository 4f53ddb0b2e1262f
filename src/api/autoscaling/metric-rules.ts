/** What the metrics of an autoscaler may be: each of one source, with a target that the source can have. */

import type { MetricSpec, MetricTarget } from '../types/autoscaling-v2.gen.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { dnsLabelProblems, pathSegmentProblems } from '../validation/names.ts';
import { positiveQuantity, validateContainerResourceName } from '../validation/resources.ts';

export interface Reference {
  apiVersion?: string;
  kind?: string;
  name?: string;
}

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
/** The field of a source, by the type that names it. */
export const sourcesByType: Record<string, keyof MetricSpec> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

export interface MetricOptions {
  /** An update may keep API versions that a stored autoscaler already has. */
  skipsVersions: boolean;
}

export function* validateMetric(metric: MetricSpec, field: string, options: MetricOptions): FieldErrors {
  const own = Object.hasOwn(sourcesByType, metric.type ?? '') ? sourcesByType[metric.type] : undefined;
  const unknownType = notSupported(`${field}.type`, metric.type ?? '', metricTypes);
  if (!metric.type) yield required(`${field}.type`, 'must specify a metric source type');
  if (!own) yield unknownType;
  // Of several sources the first is validated, whatever the type is.
  const [first, ...more] = sourcesInOrder.filter((source) => metric[source]);
  if (first)
    yield* validateSource({ type: metric.type, [first]: metric[first] }, `${field}.${first}`, options);
  if (!own) yield unknownType;
  else if (!metric[own])
    yield required(`${field}.${own}`, 'must populate information for the given metric source');
  if (more.length === 0) return;
  for (const source of [first!, ...more])
    if (source !== own)
      yield forbiddenField(`${field}.${source}`, 'must populate the given metric source only');
}

const sourcesInOrder = ['object', 'external', 'pods', 'resource', 'containerResource'] as const;

/** The one source that is set; `path` is its own. */
function* validateSource(metric: MetricSpec, path: string, { skipsVersions }: MetricOptions): FieldErrors {
  const { resource, containerResource, pods, object, external } = metric;
  const byResource = resource ?? containerResource;
  if (byResource) {
    if (!byResource.name) yield required(`${path}.name`, 'must specify a resource name');
    if (containerResource) yield* validateContainerSource(containerResource, path);
    yield* validateResourceTarget(byResource.target, `${path}.target`);
  }
  if (object) {
    yield* validateReference(object.describedObject, `${path}.describedObject`);
    const { apiVersion = '' } = object.describedObject ?? {};
    if (!skipsVersions)
      yield* invalidFor(`${path}.describedObject.apiVersion`, apiVersion, versionProblems(apiVersion));
  }
  const named = pods?.metric ?? object?.metric ?? external?.metric;
  if (named) {
    if (!named.name) yield required(`${path}.metric.name`, 'must specify a metric name');
    else yield* invalidFor(`${path}.metric.name`, named.name, pathSegmentProblems(named.name));
  }
  if (pods) yield* validatePodsTarget(pods.target, `${path}.target`);
  if (object) yield* validateObjectTarget(object.target, `${path}.target`);
  if (external) yield* validateExternalTarget(external.target, `${path}.target`);
}

type ContainerSource = NonNullable<MetricSpec['containerResource']>;

function* validateContainerSource({ name, container }: ContainerSource, path: string): FieldErrors {
  if (name) yield* validateContainerResourceName(name, `${path}.name`);
  if (!container) yield required(`${path}.container`, 'must specify a container');
  else yield* invalidFor(`${path}.container`, container, dnsLabelProblems(container));
}

function* validateResourceTarget(target: MetricTarget | undefined, field: string): FieldErrors {
  yield* validateTarget(target, field);
  const { averageUtilization, averageValue } = target ?? {};
  if (averageUtilization === undefined && averageValue === undefined)
    yield required(
      `${field}.averageUtilization`,
      'must set either a target raw value or a target utilization',
    );
  if (averageUtilization !== undefined && averageValue !== undefined)
    yield forbiddenField(
      `${field}.averageValue`,
      'may not set both a target raw value and a target utilization',
    );
}

function* validatePodsTarget(target: MetricTarget | undefined, field: string): FieldErrors {
  yield* validateTarget(target, field);
  if (target?.averageValue === undefined)
    yield required(`${field}.averageValue`, 'must specify a positive target averageValue');
}

function* validateObjectTarget(target: MetricTarget | undefined, field: string): FieldErrors {
  yield* validateTarget(target, field);
  if (target?.value === undefined && target?.averageValue === undefined)
    yield required(`${field}.averageValue`, 'must set either a target value or averageValue');
}

function* validateExternalTarget(target: MetricTarget | undefined, field: string): FieldErrors {
  yield* validateTarget(target, field);
  const { value, averageValue } = target ?? {};
  if (value === undefined && averageValue === undefined)
    yield required(`${field}.averageValue`, 'must set either a target value for metric or a per-pod target');
  if (value !== undefined && averageValue !== undefined)
    yield forbiddenField(`${field}.value`, 'may not set both a target value for metric and a per-pod target');
}

const targetTypes: readonly string[] = ['AverageValue', 'Utilization', 'Value'];

function* validateTarget(target: MetricTarget | undefined, field: string): FieldErrors {
  const { type = '' } = target ?? {};
  if (!type) yield required(`${field}.type`, 'must specify a metric target type');
  if (!targetTypes.includes(type))
    yield invalidValue(`${field}.type`, type, 'must be either Utilization, Value, or AverageValue');
  if (!target) return;
  for (const name of ['value', 'averageValue'] as const)
    if (target[name] !== undefined && positiveQuantity(target[name], '').length > 0)
      yield invalidValue(`${field}.${name}`, target[name], 'must be positive');
  if (target.averageUtilization !== undefined && target.averageUtilization < 1)
    yield invalidValue(`${field}.averageUtilization`, target.averageUtilization, 'must be greater than 0');
}

export function* validateReference(reference: Reference | undefined, field: string): FieldErrors {
  for (const name of ['kind', 'name'] as const) {
    const value = reference?.[name];
    if (!value) yield required(`${field}.${name}`);
    else yield* invalidFor(`${field}.${name}`, value, pathSegmentProblems(value));
  }
}

/** An autoscaler that was stored before API versions were validated may have one like this. */
export function hasBadVersion({ type, object }: MetricSpec): boolean {
  return type === 'Object' && versionProblems(object?.describedObject?.apiVersion ?? '').length > 0;
}

export function versionProblems(apiVersion: string): string[] {
  return apiVersion.split('/').length > 2 ? [`unexpected GroupVersion string: ${apiVersion}`] : [];
}
