/** Which part of the kubelet answers which path: logs, streams, statistics, health, volumes of its node. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pod } from '../../api/resources.gen.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { effectiveConfiguration, kubeletSettings } from '../configuration/configuration.ts';
import type { Kubelet } from '../kubelet.ts';
import type { MachineFacts } from '../machine.ts';
import { asSeen } from '../pod/as-seen.ts';
import { probeMetricPrefix } from '../probes/probe-metrics.ts';
import { handleDirectoryRequest } from '../volumes/directories/node-directories.ts';
import { AskedPods } from './asked-pods.ts';
import { HealthChecks } from './health-checks.ts';
import { HttpProblem } from './http-problem.ts';
import { servePodLog } from './logs/pod-logs.ts';
import { serveSystemLog } from './logs/system-logs.ts';
import { cadvisorMetrics } from './statistics/cadvisor-metrics.ts';
import { FullSummary } from './statistics/full-summary.ts';
import { logSizeMetrics } from './statistics/log-sizes.ts';
import { resourceMetrics } from './statistics/resource-metrics.ts';
import { StatsCollector } from './statistics/stats-summary.ts';
import { VolumeStats } from './statistics/volume-stats.ts';
import type { Upgrade } from './streams/client-streams.ts';
import { PodStreams } from './streams/pod-streams.ts';

const bodyBytesMax = 64 * 1024;
/** As in upstream's kubelet. */
const systemLogFolder = '/var/log';

export class Routes {
  readonly #kubelet: Kubelet;
  readonly #metrics: MetricsRegistry;
  readonly #stats: StatsCollector;
  readonly #volumes: VolumeStats;
  readonly #summary: FullSummary;
  readonly #checks = new HealthChecks();
  readonly #pods: AskedPods;
  readonly #streams: PodStreams;
  #facts: Promise<MachineFacts> | undefined;

  constructor(kubelet: Kubelet, metrics: MetricsRegistry) {
    this.#kubelet = kubelet;
    this.#metrics = metrics;
    this.#pods = new AskedPods(kubelet);
    this.#streams = new PodStreams(kubelet.context, this.#pods);
    this.#stats = new StatsCollector(kubelet);
    this.#volumes = new VolumeStats(kubelet);
    this.#summary = new FullSummary(kubelet, { stats: this.#stats, volumes: this.#volumes });
  }

  /** @throws HttpProblem */
  async answer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const [, first = '', ...rest] = url.pathname.split('/');
    const page = await this.#page(rest[0] ? `${first}/${rest[0]}` : first);
    if (page) return send(response, page);
    const { method } = request;
    const query = url.searchParams;
    if (first === 'containerLogs' && method === 'GET')
      return await servePodLog(this.#pods, this.#kubelet.context.clock, { path: rest, query, response });
    if (first === 'logs' && (method === 'GET' || method === 'HEAD')) {
      if (await this.#sendSystemLog(url.pathname.slice('/logs'.length), response)) return;
    }
    if (first === 'directories' && method === 'POST') {
      await handleDirectoryRequest(await readJson(request));
      return send(response, json({}));
    }
    if (first === 'run' && method === 'POST')
      return send(response, text(await this.#outputOf(rest, query.get('cmd') ?? '')));
    throw new HttpProblem(404, '404 page not found');
  }

  /** What is read as a whole; undefined for other paths. */
  async #page(path: string): Promise<Page | undefined> {
    switch (path) {
      case 'healthz':
      case 'healthz/ping':
      case 'healthz/log':
      case 'healthz/syncloop':
      case 'healthz/device-plugin':
        this.#checks.observe(path.split('/')[1]);
        return text('ok');
      case 'metrics/slis':
        return exposition(this.#checks.expose());
      case 'configz':
        return json({ kubeletconfig: effectiveConfiguration(this.#kubelet.configuration) });
      case 'pods':
        return json(podList(this.#kubelet.pods.apiPods().map((pod) => this.#asKnownHere(pod))));
      case 'runningpods':
        return json(podList([...this.#kubelet.pods.workers()].map(({ pod }) => pod)));
      case 'stats/summary':
        return json(await this.#summary.full());
      case 'metrics':
        return exposition(
          this.#metrics.expose((name) => !name.startsWith(probeMetricPrefix)) +
            (await this.#volumes.metrics()) +
            (await logSizeMetrics(this.#kubelet)),
        );
      case 'metrics/resource':
        return exposition(resourceMetrics(await this.#stats.summary()));
      case 'metrics/cadvisor':
        return exposition(
          await cadvisorMetrics(this.#kubelet, await this.#stats.summary(), await this.#machineFacts()),
        );
      case 'metrics/probes':
        return exposition(this.#metrics.expose(isOfProbes));
      default:
        return undefined;
    }
  }

  /** False: there is no such file. */
  async #sendSystemLog(path: string, response: ServerResponse): Promise<boolean> {
    if (!kubeletSettings(this.#kubelet.configuration).showsSystemLogs)
      throw new HttpProblem(405, 'logs endpoint is disabled.');
    return await serveSystemLog(systemLogFolder, path, response);
  }

  upgrade(upgrade: Upgrade, url: URL): Promise<void> {
    return this.#streams.connect(upgrade, url);
  }

  /** Adds where the node has the pod from, and since when, as monitoring expects. */
  #asKnownHere(pod: Pod): Pod {
    return asSeen(pod, this.#kubelet.pods.find(pod.metadata.uid)?.seenAtMs);
  }

  /** Determined once; they stay the same until the machine restarts. */
  #machineFacts(): Promise<MachineFacts> {
    this.#facts ??= this.#kubelet.context.machine.facts().catch((error: unknown) => {
      this.#facts = undefined;
      throw error;
    });
    return this.#facts;
  }

  /** Of a command in a container, whose words are separated by single spaces. */
  async #outputOf(path: readonly string[], command: string): Promise<string> {
    const [namespace = '', name = '', ...rest] = path;
    const worker = await this.#pods.worker(namespace, name);
    const container = await this.#pods.runningContainer(worker, rest.at(-1) ?? '');
    if (!container) throw new HttpProblem(404, 'container not found');
    const { runtime } = this.#kubelet.context;
    const { stdout, stderr } = await runtime.execSync(container.id, command.split(' '), 0);
    return Buffer.concat([stdout, stderr]).toString();
  }
}

interface Page {
  type: string;
  body: string;
}

function text(body: string): Page {
  return { type: 'text/plain; charset=utf-8', body };
}

function json(value: unknown): Page {
  return { type: 'application/json', body: JSON.stringify(value) };
}

/** Metrics in the format of Prometheus. */
function exposition(body: string): Page {
  return { type: 'text/plain; version=0.0.4', body };
}

function send(response: ServerResponse, { type, body }: Page): void {
  response.writeHead(200, { 'Content-Type': type });
  response.end(body);
}

function podList(items: readonly unknown[]): object {
  return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
}

function isOfProbes(metric: string): boolean {
  return metric.startsWith(probeMetricPrefix) || metric === 'process_start_time_seconds';
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bodyBytesMax) throw new HttpProblem(413, 'the body is too large');
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch (error) {
    throw new HttpProblem(400, `the body is no JSON: ${(error as Error).message}`);
  }
}
