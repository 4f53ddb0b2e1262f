/**
 * Metrics of autoscalers as autoscaling/v2beta1 has them, where each kind of target is a field of its own. Version v1
 * keeps the same form in annotations.
 */
import type {
  CrossVersionObjectReference,
  MetricSpec,
  MetricStatus,
  MetricTarget,
} from '../types/autoscaling-v2.gen.ts';
import type {
  MetricSpec as OldMetricSpec,
  MetricStatus as OldMetricStatus,
} from '../types/autoscaling-v2beta1.gen.ts';

const zero = '0';

/** Two targets at once are invalid, but kept for validation to report. */
function averageTarget(utilization: number | undefined, value: string | undefined): MetricTarget {
  if (utilization === undefined) return { type: 'AverageValue', averageValue: value ?? zero };
  return {
    type: 'Utilization',
    averageUtilization: utilization,
    ...(value !== undefined && { averageValue: value }),
  };
}

/** Of a metric that is not a resource: a value, or one per pod. */
function valueTarget(value: string | undefined, average: string | undefined): MetricTarget {
  return {
    type: average === undefined ? 'Value' : 'AverageValue',
    ...(value !== undefined && { value }),
    ...(average !== undefined && { averageValue: average }),
  };
}

export function metricFromOld(old: OldMetricSpec): MetricSpec {
  const { type, resource, containerResource, pods, object, external } = old;
  const metric: MetricSpec = { type: type as MetricSpec['type'] };
  if (resource)
    metric.resource = {
      name: resource.name,
      target: averageTarget(resource.targetAverageUtilization, resource.targetAverageValue),
    };
  if (containerResource)
    metric.containerResource = {
      name: containerResource.name,
      container: containerResource.container,
      target: averageTarget(containerResource.targetAverageUtilization, containerResource.targetAverageValue),
    };
  if (pods)
    metric.pods = {
      metric: { name: pods.metricName, ...(pods.selector && { selector: pods.selector }) },
      target: { type: 'AverageValue', averageValue: pods.targetAverageValue },
    };
  if (object)
    metric.object = {
      describedObject: object.target as CrossVersionObjectReference,
      metric: { name: object.metricName, ...(object.selector && { selector: object.selector }) },
      // An average leaves the required value at zero.
      target: valueTarget(
        object.averageValue !== undefined && object.targetValue === zero ? undefined : object.targetValue,
        object.averageValue,
      ),
    };
  if (external)
    metric.external = {
      metric: {
        name: external.metricName,
        ...(external.metricSelector && { selector: external.metricSelector }),
      },
      target: valueTarget(external.targetValue, external.targetAverageValue),
    };
  return metric;
}

export function metricToOld(metric: MetricSpec): OldMetricSpec {
  const { type, resource, containerResource, pods, object, external } = metric;
  const old: OldMetricSpec = { type };
  const average = (target: MetricTarget) => ({
    ...(target.averageUtilization !== undefined && { targetAverageUtilization: target.averageUtilization }),
    ...(target.averageValue !== undefined && { targetAverageValue: target.averageValue }),
  });
  if (resource) old.resource = { name: resource.name, ...average(resource.target) };
  if (containerResource)
    old.containerResource = {
      name: containerResource.name,
      ...average(containerResource.target),
      container: containerResource.container,
    };
  if (pods)
    old.pods = {
      metricName: pods.metric.name,
      targetAverageValue: pods.target.averageValue ?? zero,
      ...(pods.metric.selector && { selector: pods.metric.selector }),
    };
  if (object)
    old.object = {
      target: object.describedObject,
      metricName: object.metric.name,
      targetValue: object.target.value ?? zero,
      ...(object.metric.selector && { selector: object.metric.selector }),
      ...(object.target.averageValue !== undefined && { averageValue: object.target.averageValue }),
    };
  if (external)
    old.external = {
      metricName: external.metric.name,
      ...(external.metric.selector && { metricSelector: external.metric.selector }),
      ...(external.target.value !== undefined && { targetValue: external.target.value }),
      ...(external.target.averageValue !== undefined && { targetAverageValue: external.target.averageValue }),
    };
  return old;
}

export function statusFromOld(old: OldMetricStatus): MetricStatus {
  const { type, resource, containerResource, pods, object, external } = old;
  const status: MetricStatus = { type: type as MetricStatus['type'] };
  const current = (utilization: number | undefined, value: string | undefined) => ({
    ...(utilization !== undefined && { averageUtilization: utilization }),
    ...(value !== undefined && { averageValue: value }),
  });
  if (resource)
    status.resource = {
      name: resource.name,
      current: current(resource.currentAverageUtilization, resource.currentAverageValue),
    };
  if (containerResource)
    status.containerResource = {
      name: containerResource.name,
      container: containerResource.container,
      current: current(containerResource.currentAverageUtilization, containerResource.currentAverageValue),
    };
  if (pods)
    status.pods = {
      metric: { name: pods.metricName, ...(pods.selector && { selector: pods.selector }) },
      current: { averageValue: pods.currentAverageValue },
    };
  if (object)
    status.object = {
      describedObject: object.target as CrossVersionObjectReference,
      metric: { name: object.metricName, ...(object.selector && { selector: object.selector }) },
      current: {
        value: object.currentValue,
        ...(object.averageValue !== undefined && { averageValue: object.averageValue }),
      },
    };
  if (external)
    status.external = {
      metric: {
        name: external.metricName,
        ...(external.metricSelector && { selector: external.metricSelector }),
      },
      current: {
        value: external.currentValue,
        ...(external.currentAverageValue !== undefined && { averageValue: external.currentAverageValue }),
      },
    };
  return status;
}

export function statusToOld(status: MetricStatus): OldMetricStatus {
  const { type, resource, containerResource, pods, object, external } = status;
  const old: OldMetricStatus = { type };
  const current = (value: { averageUtilization?: number; averageValue?: string }) => ({
    ...(value.averageUtilization !== undefined && { currentAverageUtilization: value.averageUtilization }),
    currentAverageValue: value.averageValue ?? zero,
  });
  if (resource) old.resource = { name: resource.name, ...current(resource.current) };
  if (containerResource)
    old.containerResource = {
      name: containerResource.name,
      ...current(containerResource.current),
      container: containerResource.container,
    };
  if (pods)
    old.pods = {
      metricName: pods.metric.name,
      currentAverageValue: pods.current.averageValue ?? zero,
      ...(pods.metric.selector && { selector: pods.metric.selector }),
    };
  if (object)
    old.object = {
      target: object.describedObject,
      metricName: object.metric.name,
      currentValue: object.current.value ?? zero,
      ...(object.metric.selector && { selector: object.metric.selector }),
      ...(object.current.averageValue !== undefined && { averageValue: object.current.averageValue }),
    };
  if (external)
    old.external = {
      metricName: external.metric.name,
      ...(external.metric.selector && { metricSelector: external.metric.selector }),
      currentValue: external.current.value ?? zero,
      ...(external.current.averageValue !== undefined && {
        currentAverageValue: external.current.averageValue,
      }),
    };
  return old;
}
