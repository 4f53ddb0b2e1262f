/** metrics.k8s.io and custom.metrics.k8s.io, answered by the API server itself. */

import type { Duplex } from 'node:stream';
import { apiVersionOf } from '../../api/meta.ts';
import { formatQuantity, quantityFromMilli } from '../../api/quantities/quantity.ts';
import { APIService, Node, Pod, Service } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { matchesLabels } from '../../api/selectors/label-selector.ts';
import { parseFieldSelector, parseLabelSelector } from '../../api/selectors/selectors.ts';
import { methodNotAllowed, notFound, StatusError, unknownPath } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { DiscoveredGroup } from '../discovery/groups.ts';
import type { Delegate } from '../handler.ts';
import type { NodeConnector } from '../nodes/node-connector.ts';
import type { ObjectReader } from '../object-reader.ts';
import { exchange } from '../outgoing/http-over.ts';
import { unverifiedTls } from '../outgoing/unverified-tls.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import type { AnswerForPods } from './beside-adapters.ts';
import { customMetricsGroup, metricsGroups, resourceMetricsGroup } from './discovered-groups.ts';
import { NodeScraper } from './node-scraper.ts';
import { PodScraper } from './pod-scraper.ts';
import { type MetricsObject, nodeMetrics, podMetrics } from './resource-metrics.ts';

/** As long as a scrape may take in all. */
const handshakeTimeoutMs = 5_000;

export interface MetricsApiOptions {
  objects: ObjectReader;
  nodes: NodeConnector;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

export class MetricsApi {
  readonly #objects: ObjectReader;
  readonly #nodeScraper: NodeScraper;
  readonly #podScraper: PodScraper;

  constructor({ objects, nodes, clock, logger, signal }: MetricsApiOptions) {
    this.#objects = objects;
    const common = { objects, clock, logger: logger.for('metrics-api'), signal };
    this.#nodeScraper = new NodeScraper({
      ...common,
      readSummary: async (nodeName, timeout) => {
        const socket = await nodes.connect(nodeName);
        return JSON.parse(await get(socket, '/stats/summary', nodeName, timeout));
      },
    });
    this.#podScraper = new PodScraper({
      ...common,
      readMetrics: async ({ spec, status }, { scheme, port, path }, timeout) => {
        const tunnel = await nodes.tunnel(spec?.nodeName ?? '', status?.podIP ?? '', port);
        const socket = scheme === 'https' ? await unverifiedTls(tunnel, handshakeTimeoutMs) : tunnel;
        return get(socket, path, `${status?.podIP}:${port}`, timeout);
      },
    });
  }

  /** The groups for discovery: those that no server of the user's own serves. */
  groups(): DiscoveredGroup[] {
    return metricsGroups(this.#podScraper.names()).filter(
      ({ group, versions }) => !versions.some(({ version }) => this.#isElsewhere(group, version)),
    );
  }

  /** A metrics server or an adapter has been registered: that one answers. */
  #isElsewhere(group: string, version: string): boolean {
    return this.#objects.get(APIService, '', `${version}.${group}`)?.spec?.service !== undefined;
  }

  readonly delegate: Delegate = (context) => {
    const { info } = context;
    if (info.group !== resourceMetricsGroup && info.group !== customMetricsGroup) return undefined;
    // Discovery of the group is answered where all discovery is.
    if (!info.isResource || this.#isElsewhere(info.group, info.version)) return undefined;
    if (info.verb !== 'get' && info.verb !== 'list') throw methodNotAllowed();
    return info.group === resourceMetricsGroup
      ? this.#resourceMetrics(context)
      : this.#customMetrics(context);
  };

  /** For custom metrics that an adapter does not know. */
  readonly answerForPods: AnswerForPods = (context) => {
    const { group, isResource, verb } = context.info;
    if (group !== customMetricsGroup || !isResource || (verb !== 'get' && verb !== 'list')) return undefined;
    return this.#customMetrics(context);
  };

  async #resourceMetrics(context: RequestContext): Promise<ApiResponse> {
    const { info } = context;
    if (info.version !== 'v1beta1' || info.subresource) throw unknownPath();
    const readings = await this.#nodeScraper.read(info.namespace);
    switch (info.resource) {
      case 'nodes':
        return this.#answer(
          context,
          'NodeMetrics',
          nodeMetrics(readings, (name) => this.#objects.get(Node, '', name)?.metadata.labels),
        );
      case 'pods':
        return this.#answer(
          context,
          'PodMetrics',
          podMetrics(
            readings,
            info.namespace,
            (name, namespace) => this.#objects.get(Pod, namespace ?? '', name)?.metadata.labels,
          ),
        );
      default:
        throw unknownPath();
    }
  }

  #answer({ info, request }: RequestContext, kind: string, objects: readonly MetricsObject[]): ApiResponse {
    const apiVersion = `${resourceMetricsGroup}/v1beta1`;
    if (info.name) {
      const found = objects.find(({ metadata }) => metadata.name === info.name);
      const shown = info.namespace ? `${info.namespace}/${info.name}` : info.name;
      if (!found) throw notFound({ group: resourceMetricsGroup, plural: kind.toLowerCase() }, shown);
      return { type: 'plain', status: 200, object: { kind, apiVersion, ...found } };
    }
    const labels = parseLabelSelector(request.query.get('labelSelector') ?? '');
    const fields = parseFieldSelector(request.query.get('fieldSelector') ?? '');
    const items = objects.filter(({ metadata }) => {
      const values = { 'metadata.name': metadata.name, 'metadata.namespace': metadata.namespace ?? '' };
      return labels.matches(metadata.labels ?? {}) && fields.matches(values);
    });
    const object = {
      kind: `${kind}List`,
      apiVersion,
      metadata: {},
      items: items.map((item) => ({ ...item })),
    };
    return { type: 'plain', status: 200, object };
  }

  /** `…/namespaces/NS/pods/*​/METRIC` or one object by name; of services the sum over their pods. */
  async #customMetrics({ info, request }: RequestContext): Promise<ApiResponse> {
    const { namespace, name, subresource: metric, version } = info;
    if (!['v1beta1', 'v1beta2'].includes(version) || !namespace || !name || !metric) throw unknownPath();
    const selector = parseLabelSelector(request.query.get('labelSelector') ?? '');
    const series = parseLabelSelector(request.query.get('metricLabelSelector') ?? '');
    const items: object[] = [];
    const add = async (kind: 'Pod' | 'Service', objectName: string, pods: readonly Pod[]) => {
      const values = await Promise.all(pods.map((pod) => this.#podScraper.valueOf(pod, metric, series)));
      const known = values.filter((value) => value !== undefined);
      if (known.length === 0) return;
      const total = known.reduce((sum, { value }) => sum + value, 0);
      const windowMs = known.find((value) => value.windowMs !== undefined)?.windowMs;
      items.push({
        describedObject: { kind, namespace, name: objectName, apiVersion: apiVersionOf(Pod) },
        ...(version === 'v1beta1' ? { metricName: metric } : { metric: { name: metric } }),
        timestamp: formatTime(Math.min(...known.map(({ atMs }) => atMs))),
        ...(windowMs !== undefined && { windowSeconds: Math.round(windowMs / 1000) }),
        value: formatQuantity(quantityFromMilli(Math.round(total * 1000))),
      });
    };
    const pods = [...this.#objects.list(Pod, namespace)];
    if (info.resource === 'pods') {
      for (const pod of pods)
        if ((name === '*' && selector.matches(pod.metadata.labels ?? {})) || pod.metadata.name === name)
          await add('Pod', pod.metadata.name, [pod]);
    } else if (info.resource === 'services') {
      const service = this.#objects.get(Service, namespace, name);
      const labels = service?.spec?.selector;
      if (labels)
        await add(
          'Service',
          name,
          pods.filter((pod) => matchesLabels(labels, pod.metadata.labels)),
        );
    }
    if (items.length === 0) throw noSuchMetric(info.resource, name, metric);
    const object = {
      kind: 'MetricValueList',
      apiVersion: `${customMetricsGroup}/${version}`,
      metadata: {},
      items,
    };
    return { type: 'plain', status: 200, object };
  }
}

function noSuchMetric(resource: string, name: string, metric: string): StatusError {
  const message =
    name === '*'
      ? `the server could not find the metric ${metric} for ${resource}`
      : `the server could not find the metric ${metric} for ${resource} ${name}`;
  return new StatusError(404, 'NotFound', message);
}

/** More than this is no exposition. */
const answerBytesMax = 16 * 1024 * 1024;

async function get(socket: Duplex, path: string, host: string, signal: AbortSignal): Promise<string> {
  try {
    const answer = await exchange(socket, { method: 'GET', path, headers: { host }, signal });
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of answer as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > answerBytesMax) throw new Error('the answer is too large');
      parts.push(part);
    }
    if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`);
    return Buffer.concat(parts).toString();
  } finally {
    socket.destroy();
  }
}
