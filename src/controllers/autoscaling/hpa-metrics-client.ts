/** Reads metrics for autoscaling from metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io. */

import type { LabelSelector } from '../../api/meta.ts';
import { milliValueOf } from '../../api/quantities/quantity.ts';
import { labelSelectorText } from '../../api/selectors/label-selector.ts';
import { StatusError } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { MetricProblem, type PodMetric, type PodMetrics } from './hpa-replicas.ts';

/** Metrics servers are third-party programs: their empty lists may be null. */
interface ListOf<Item> {
  items?: Item[] | null;
}

type PodMetricsList = ListOf<{
  metadata: { name: string };
  timestamp: string;
  window: string;
  containers?: { name: string; usage: Record<string, string> }[] | null;
}>;

type MetricValueList = ListOf<{
  describedObject: { name: string };
  timestamp: string;
  windowSeconds?: number;
  value: string;
}>;

const windowDefaultMs = 60_000;

/** By pod; of one container when `container` is given. */
export async function readResourceMetrics(
  client: Client,
  query: { namespace: string; selector: string; resource: string; container?: string },
  signal: AbortSignal,
): Promise<PodMetrics> {
  const { namespace, selector, resource, container } = query;
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`;
  const items =
    (await asking<PodMetricsList>({ client, signal, api: 'resource', shown: 'pods' }, path)).items ?? [];
  // Noticing pods without the container or the resource is up to the caller.
  if (items.length === 0) throw new MetricProblem('no metrics returned from resource metrics API');
  return readable('resource', () => {
    const metrics = new Map<string, PodMetric>();
    for (const { metadata, timestamp, window, containers } of items) {
      const counted = (containers ?? []).filter(({ name }) => container === undefined || name === container);
      const amounts = counted.map(({ usage }) => usage[resource]);
      if (amounts.length === 0 || amounts.includes(undefined)) continue;
      metrics.set(metadata.name, {
        milli: amounts.reduce((total, text) => total + milliValueOf(text!), 0),
        atMs: Date.parse(timestamp),
        windowMs: parseSeconds(window) * 1000,
      });
    }
    return metrics;
  });
}

export async function readPodsMetric(
  client: Client,
  query: { namespace: string; selector: string; metric: string; metricSelector: LabelSelector | undefined },
  signal: AbortSignal,
): Promise<PodMetrics> {
  const { namespace, selector, metric, metricSelector } = query;
  const parameters = queryOf({
    labelSelector: selector,
    metricLabelSelector: labelSelectorText(metricSelector),
  });
  const path = `/namespaces/${namespace}/pods/*/${encodeURIComponent(metric)}${parameters}`;
  const items = (await custom({ client, signal, shown: 'pods', name: '*' }, path)).items ?? [];
  if (items.length === 0) throw new MetricProblem('no metrics returned from custom metrics API');
  return readable(
    'custom',
    () =>
      new Map(
        items.map(({ describedObject, timestamp, windowSeconds, value }) => [
          describedObject.name,
          {
            milli: milliValueOf(value),
            atMs: Date.parse(timestamp),
            windowMs: windowSeconds === undefined ? windowDefaultMs : windowSeconds * 1000,
          },
        ]),
      ),
  );
}

/**
 * `resource`: plural, with the group behind a dot. Of kind Namespace only the autoscaler's own can be meant: nobody
 * sees other namespaces' metrics by way of an autoscaler. In thousandths.
 */
export async function readObjectMetric(
  client: Client,
  query: {
    namespace: string;
    resource: string;
    name: string;
    metric: string;
    metricSelector: LabelSelector | undefined;
  },
  signal: AbortSignal,
): Promise<number> {
  const { namespace, resource, name, metric, metricSelector } = query;
  const parameters = queryOf({ metricLabelSelector: labelSelectorText(metricSelector) });
  const isOfNamespace = resource === 'namespaces';
  const object = isOfNamespace ? 'metrics' : `${resource}/${encodeURIComponent(name)}`;
  const path = `/namespaces/${namespace}/${object}/${encodeURIComponent(metric)}${parameters}`;
  const shown = isOfNamespace ? { shown: 'metrics', name: metric } : { shown: resource, name };
  const items = (await custom({ client, signal, ...shown }, path)).items ?? [];
  const [only] = items;
  if (!only || items.length > 1)
    throw problemOf(
      'custom',
      new Error(
        `the custom metrics API server returned ${items.length} results when we asked for exactly one`,
      ),
    );
  return readable('custom', () => milliValueOf(only.value));
}

/** The sum of all its values, in thousandths. */
export async function readExternalMetric(
  client: Client,
  query: { namespace: string; metric: string; metricSelector: LabelSelector | undefined },
  signal: AbortSignal,
): Promise<number> {
  const { namespace, metric, metricSelector } = query;
  const parameters = queryOf({ labelSelector: labelSelectorText(metricSelector) });
  const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespace}/${encodeURIComponent(metric)}${parameters}`;
  const asked = { client, signal, api: 'external', shown: metric } as const;
  const items = (await asking<MetricValueList>(asked, path)).items ?? [];
  if (items.length === 0) throw new MetricProblem('no metrics returned from external metrics API');
  return readable('external', () => items.reduce((total, { value }) => total + milliValueOf(value), 0));
}

/** What is asked for, as upstream's client names it where an answer says nothing itself. */
interface Asked {
  client: Client;
  signal: AbortSignal;
  api: 'resource' | 'custom' | 'external';
  shown: string;
  name?: string;
}

/** The newest version that is served: today's adapters have both, older ones only v1beta1. */
async function custom(how: Omit<Asked, 'api'>, path: string): Promise<MetricValueList> {
  const root = '/apis/custom.metrics.k8s.io';
  const asked = { ...how, api: 'custom' } as const;
  const group = await asking<{ versions?: { version: string }[] }>(asked, root);
  const served = group.versions?.map(({ version }) => version) ?? [];
  const version = served.includes('v1beta2') ? 'v1beta2' : 'v1beta1';
  return asking<MetricValueList>(asked, `${root}/${version}${path}`);
}

async function asking<Answer>(asked: Asked, path: string): Promise<Answer> {
  const { client, signal, api, shown, name } = asked;
  try {
    return await client.raw<Answer>('GET', path, undefined, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof Error)) throw error;
    // Only a Status has a reason: any other answer is a page of a server that does not know the API.
    if (!(error instanceof StatusError) || error.reason) throw problemOf(api, error);
    const group = api === 'resource' ? 'metrics.k8s.io' : `${api}.metrics.k8s.io`;
    const what = [`${shown}.${group}`, name].filter(Boolean).join(' ');
    throw problemOf(api, new Error(`${wordsOfAnswer(error)} (get ${what})`));
  }
}

/** Upstream's client describes an answer that is no Status by its code. */
function wordsOfAnswer({ code, message }: StatusError): string {
  switch (code) {
    case 404:
      return 'the server could not find the requested resource';
    case 401:
      return 'the server has asked for the client to provide credentials';
    case 403:
      return message;
    case 429:
      return 'the server has received too many requests and has asked us to try again later';
    case 503:
      return 'the server is currently unable to handle the request';
    case 504:
      return 'the server was unable to return a response in the time allotted, but may still be processing the request';
    default:
      return code >= 500
        ? `an error on the server (${JSON.stringify(message)}) has prevented the request from succeeding`
        : `the server responded with the status code ${code} but did not return more information`;
  }
}

/** A third-party answer may hold no number or lack a field: that is the metric's problem, not the autoscaler's. */
function readable<T>(api: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw problemOf(api, error as Error);
  }
}

export function problemOf(api: string, error: Error): MetricProblem {
  return new MetricProblem(`unable to fetch metrics from ${api} metrics API: ${error.message}`);
}

function queryOf(parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter((pair): pair is [string, string] => Boolean(pair[1]));
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** Go's durations, as far as windows use them: `1m30.5s`, `15s`, `500ms`. */
export function parseSeconds(text: string): number {
  const units: Record<string, number> = { h: 3600, m: 60, s: 1, ms: 0.001, µs: 1e-6, us: 1e-6, ns: 1e-9 };
  let total = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)(h|ms|m|s|µs|us|ns)/g))
    total += Number(number) * units[unit!]!;
  return total;
}
