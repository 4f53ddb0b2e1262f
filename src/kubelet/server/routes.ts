/** What the kubelet's server answers: logs, exec, attach, port-forward, statistics, volumes of its node. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pod } from '../../api/resources.gen.ts';
import { internalError } from '../../api/status.ts';
import type { Container } from '../../api/types/core-v1.gen.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { isTrue } from '../../base/text/query-boolean.ts';
import { effectiveConfiguration, kubeletSettings } from '../configuration.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import type { Kubelet } from '../kubelet.ts';
import type { MachineFacts } from '../machine.ts';
import { findContainer, type ObservedContainer } from '../pod/pod-observation.ts';
import type { PodWorker } from '../pod/pod-worker.ts';
import { probeMetricPrefix } from '../probes/probe-metrics.ts';
import { configAnnotations } from '../static-pods.ts';
import { handleDirectoryRequest } from '../volumes/node-directories.ts';
import { HealthChecks } from './health-checks.ts';
import { HttpProblem } from './http-problem.ts';
import { type LogOptions, serveLog } from './logs/container-logs.ts';
import { lastLoggedAtMs } from './logs/log-reader.ts';
import { serveSystemLog } from './logs/system-logs.ts';
import { cadvisorMetrics } from './statistics/cadvisor-metrics.ts';
import { FullSummary } from './statistics/full-summary.ts';
import { resourceMetrics } from './statistics/resource-metrics.ts';
import { StatsCollector } from './statistics/stats-summary.ts';
import { VolumeStats } from './statistics/volume-stats.ts';
import { type StreamRequest, speaksSpdy, speaksV5, type Upgrade } from './streams/client-streams.ts';
import { relayUpgrade, speaksTunnel, tunnelPortForward } from './streams/stream-proxy.ts';
import { translateStreams } from './streams/stream-translation.ts';

const bodyBytesMax = 64 * 1024;
/** As in upstream's kubelet. */
const systemLogFolder = '/var/log';

/**
 * A container that is about to end would be attached to between its output and its end, and both would be lost. Clients
 * that are told that it has ended read its log instead.
 */
const attachAfterMs = 400;
/** A container that ended this soon may have written everything before its streams were connected: treated the same. */
const missedWithinMs = 1000;
/** The runtime closes the streams of a container before it reports that it has ended: on a busy machine long before. */
const endTriesMax = 60;
const endPollMs = 50;

/** While the runtime is unreachable, nothing is known of its containers. */
const lookedWithinMs = 5000;

export class Routes {
  readonly #kubelet: Kubelet;
  readonly #metrics: MetricsRegistry;
  readonly #stats: StatsCollector;
  readonly #volumes: VolumeStats;
  readonly #summary: FullSummary;
  readonly #checks = new HealthChecks();
  #facts: Promise<MachineFacts> | undefined;

  constructor(kubelet: Kubelet, metrics: MetricsRegistry) {
    this.#kubelet = kubelet;
    this.#metrics = metrics;
    this.#stats = new StatsCollector(kubelet);
    this.#volumes = new VolumeStats(kubelet);
    this.#summary = new FullSummary(kubelet, { stats: this.#stats, volumes: this.#volumes });
  }

  async answer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const [, first, ...rest] = url.pathname.split('/');
    const text = (body: string, type = 'text/plain; charset=utf-8') => {
      response.writeHead(200, { 'Content-Type': type });
      response.end(body);
    };
    const json = (value: unknown) => text(JSON.stringify(value), 'application/json');
    switch (`${first}${rest.length > 0 && rest[0] ? `/${rest[0]}` : ''}`) {
      case 'healthz':
      case 'healthz/ping':
      case 'healthz/log':
      case 'healthz/syncloop':
      case 'healthz/device-plugin':
        this.#checks.observe(rest[0]);
        return text('ok');
      case 'metrics/slis':
        return text(this.#checks.expose(), 'text/plain; version=0.0.4');
      case 'configz':
        return json({ kubeletconfig: effectiveConfiguration(this.#kubelet.configuration) });
      case 'pods':
        return json(podList(this.#kubelet.pods.apiPods().map((pod) => this.#asKnownHere(pod))));
      case 'runningpods':
        return json(podList([...this.#kubelet.pods.workers()].map(({ pod }) => pod)));
      case 'stats/summary':
        return json(await this.#summary.full());
      case 'metrics':
        return text(
          this.#metrics.expose((name) => !name.startsWith(probeMetricPrefix)) +
            (await this.#volumes.metrics()),
          'text/plain; version=0.0.4',
        );
      case 'metrics/resource':
        return text(resourceMetrics(await this.#stats.summary()), 'text/plain; version=0.0.4');
      case 'metrics/cadvisor':
        return text(
          await cadvisorMetrics(this.#kubelet, await this.#stats.summary(), await this.#machineFacts()),
          'text/plain; version=0.0.4',
        );
      case 'metrics/probes':
        return text(this.#metrics.expose(isOfProbes), 'text/plain; version=0.0.4');
      default:
    }
    if (first === 'containerLogs' && request.method === 'GET')
      return this.#logs(rest, url.searchParams, response);
    if (first === 'logs' && (request.method === 'GET' || request.method === 'HEAD')) {
      if (!kubeletSettings(this.#kubelet.configuration).showsSystemLogs)
        throw new HttpProblem(405, 'logs endpoint is disabled.');
      if (await serveSystemLog(systemLogFolder, url.pathname.slice('/logs'.length), response)) return;
    }
    if (first === 'directories' && request.method === 'POST') {
      await handleDirectoryRequest(await readJson(request));
      return json({});
    }
    if (first === 'run' && request.method === 'POST') return this.#runCommand(rest, url.searchParams, text);
    throw new HttpProblem(404, '404 page not found');
  }

  /** Adds where the node has the pod from, and since when, as monitoring expects. */
  #asKnownHere(pod: Pod): Pod {
    const seenAtMs = this.#kubelet.pods.find(pod.metadata.uid)?.seenAtMs;
    const annotations = {
      ...pod.metadata.annotations,
      ...(seenAtMs !== undefined && { [configAnnotations.seen]: new Date(seenAtMs).toISOString() }),
      [configAnnotations.source]: 'api',
    };
    return { ...pod, metadata: { ...pod.metadata, annotations } };
  }

  /** Determined once; they stay the same until the machine restarts. */
  #machineFacts(): Promise<MachineFacts> {
    this.#facts ??= this.#kubelet.context.machine.facts().catch((error: unknown) => {
      this.#facts = undefined;
      throw error;
    });
    return this.#facts;
  }

  async upgrade(upgrade: Upgrade, url: URL): Promise<void> {
    const [, action, namespace = '', name = '', ...rest] = url.pathname.split('/');
    const worker = await this.#worker(namespace, name);
    const query = url.searchParams;
    if (action === 'portForward') {
      const sandbox = worker.observed.sandboxes.find(({ ready }) => ready);
      if (!sandbox) throw new HttpProblem(404, `pod not found (${JSON.stringify(`${name}_${namespace}`)})`);
      const ports = query
        .getAll('ports')
        .concat(query.getAll('port'))
        .flatMap((list) => list.split(','))
        .map(Number);
      const target = await this.#kubelet.context.runtime.portForward(sandbox.id, ports);
      if (speaksTunnel(upgrade.request)) return tunnelPortForward(upgrade, target);
      return relayUpgrade(upgrade, target);
    }
    if (action !== 'exec' && action !== 'attach') throw new HttpProblem(404, '404 page not found');
    const containerName = rest.at(-1) ?? '';
    const container = await this.#runningContainer(worker, containerName);
    if (!container) throw new HttpProblem(404, `container not found (${JSON.stringify(containerName)})`);
    const isSet = (...names: string[]) => names.some((key) => ['1', 'true'].includes(query.get(key) ?? ''));
    const wanted = {
      stdin: isSet('input', 'stdin'),
      stdout: isSet('output', 'stdout'),
      stderr: isSet('error', 'stderr'),
      tty: isSet('tty'),
    };
    // A terminal has one output.
    if (wanted.tty) wanted.stderr = false;
    if (action === 'attach') return this.#attach(upgrade, worker, container, wanted);
    const { runtime } = this.#kubelet.context;
    const target = await runtime.exec({
      containerId: container.id,
      cmd: query.getAll('command'),
      ...wanted,
    });
    if (!speaksV5(upgrade.request)) return relayUpgrade(upgrade, target);
    return translateStreams(upgrade, target, { client: wanted, runtime: wanted, inputEnd: 'ends' });
  }

  async #attach(
    upgrade: Upgrade,
    worker: PodWorker,
    container: ObservedContainer,
    wanted: StreamRequest,
  ): Promise<void> {
    const { runtime, clock } = this.#kubelet.context;
    const { name, id, logPath } = container;
    const requestedAtMs = clock.now();
    await clock.sleep(
      Math.min(attachAfterMs, Math.max(0, container.startedAtMs + attachAfterMs - clock.now())),
    );
    if (!(await this.#runningContainer(worker, name))) {
      const { namespace, name: pod } = worker.pod.metadata;
      // Without a colon: kubectl 1.20 would parse it as YAML, and print nothing.
      throw new HttpProblem(400, `container ${name} not found in pod ${pod}_${namespace}`);
    }
    // Whether there is a terminal was decided when the container was created, whatever the client requests.
    const { tty = false, stdinOnce = false } = containerSpec(worker, name) ?? {};
    const asked = { ...wanted, tty, stderr: wanted.stderr && !tty };
    const target = await runtime.attach({ containerId: id, ...asked });
    if (!speaksV5(upgrade.request) && !speaksSpdy(upgrade.request)) return relayUpgrade(upgrade, target);
    let openedAtMs = Number.POSITIVE_INFINITY;
    await translateStreams(upgrade, target, {
      client: wanted,
      runtime: asked,
      inputEnd: tty && !wanted.tty && stdinOnce ? 'is typed' : 'ends',
      statusOfSilence: async (runtimeStatus) => {
        if (!runtimeStatus.includes('"Success"')) return undefined;
        const endedAtMs = await this.#endOf(id);
        if (endedAtMs === undefined) return undefined;
        const isMissed =
          endedAtMs <= openedAtMs + missedWithinMs || (await lastLoggedAtMs(logPath)) >= requestedAtMs;
        if (!isMissed) return undefined;
        return internalError(`error attaching to container: container ${name} has ended`).status;
      },
    });
    openedAtMs = clock.now();
  }

  /** Milliseconds since the epoch; undefined for a container that still runs, or that the runtime does not list. */
  async #endOf(containerId: string): Promise<number | undefined> {
    const { runtime, clock } = this.#kubelet.context;
    try {
      for (let tries = 0; tries < endTriesMax; tries++) {
        const { state, finishedAt } = await runtime.containerStatus(containerId);
        if (state === 'CONTAINER_EXITED') return finishedAt / 1e6;
        await clock.sleep(endPollMs);
      }
      return undefined;
    } catch (error) {
      if (error instanceof RuntimeError) return undefined;
      throw error;
    }
  }

  /** The runtime knows first: containers of an ending pod end one by one, and its worker waits for the last. */
  async #runningContainer(worker: PodWorker, name: string): Promise<ObservedContainer | undefined> {
    const container = findContainer(worker.observed, name);
    if (container?.state !== 'running') return undefined;
    return (await this.#isRunning(container.id)) ? container : undefined;
  }

  async #isRunning(containerId: string): Promise<boolean> {
    try {
      return (await this.#kubelet.context.runtime.containerStatus(containerId)).state === 'CONTAINER_RUNNING';
    } catch (error) {
      // A runtime that does not answer has not said that the container ended.
      if (error instanceof RuntimeError) return ['Unavailable', 'DeadlineExceeded'].includes(error.code);
      throw error;
    }
  }

  async #logs(path: readonly string[], query: URLSearchParams, response: ServerResponse): Promise<void> {
    const [namespace = '', name = '', containerName = ''] = path;
    const worker = await this.#worker(namespace, name);
    const history = worker.observed.containers.filter((container) => container.name === containerName);
    if (!containerSpec(worker, containerName)) throw new HttpProblem(404, `container not found in pod`);
    const previous = isTrue(query.get('previous'));
    // For a container in back-off, the one that ended last is both the present and the previous one.
    const waits = history[0]?.state === 'exited' && worker.waitingReason(containerName) !== undefined;
    const container = previous && !waits ? history[1] : history[0];
    if (!container) {
      if (previous)
        throw new HttpProblem(
          400,
          `previous terminated container ${JSON.stringify(containerName)} in pod ${JSON.stringify(name)} not found`,
        );
      throw new HttpProblem(
        400,
        `container ${JSON.stringify(containerName)} in pod ${JSON.stringify(name)} is waiting to start: ${waitingText(worker, containerName)}`,
      );
    }
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    if (response.closed) gone.abort();
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    response.flushHeaders();
    const sink = {
      signal: gone.signal,
      write: async (data: Buffer) => {
        if (gone.signal.aborted) return false;
        if (!response.write(data))
          await new Promise<void>((resolve) => {
            const go = () => {
              response.off('drain', go);
              response.off('close', go);
              resolve();
            };
            response.on('drain', go);
            response.on('close', go);
          });
        return !gone.signal.aborted;
      },
    };
    const { now } = this.#kubelet.context.clock;
    await serveLog(container.logPath, logOptionsOf(query, now()), sink, () => this.#isRunning(container.id));
    response.end();
  }

  async #runCommand(
    path: readonly string[],
    query: URLSearchParams,
    text: (body: string) => void,
  ): Promise<void> {
    const [namespace = '', name = '', ...rest] = path;
    const container = await this.#runningContainer(await this.#worker(namespace, name), rest.at(-1) ?? '');
    if (!container) throw new HttpProblem(404, 'container not found');
    const cmd = (query.get('cmd') ?? '').split(' ');
    const { stdout, stderr } = await this.#kubelet.context.runtime.execSync(container.id, cmd, 0);
    text(Buffer.concat([stdout, stderr]).toString());
  }

  async #worker(namespace: string, name: string): Promise<PodWorker> {
    // Right after a restart the pods are not known yet.
    await this.#kubelet.started;
    const worker = this.#kubelet.pods.findByName(namespace, name);
    if (!worker) throw new HttpProblem(404, `pod ${JSON.stringify(`${name}_${namespace}`)} not found`);
    await Promise.race([worker.looked(), this.#kubelet.context.clock.sleep(lookedWithinMs)]);
    return worker;
  }
}

function containerSpec({ pod: { spec } }: PodWorker, name: string): Container | undefined {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])].find(
    (container) => container.name === name,
  );
}

function waitingText(worker: PodWorker, containerName: string): string {
  const reason = worker.waitingReason(containerName);
  if (reason === 'ErrImagePull') return "image can't be pulled";
  if (reason === 'ImagePullBackOff') return 'trying and failing to pull image';
  return reason ?? (worker.pod.spec.initContainers?.length ? 'PodInitializing' : 'ContainerCreating');
}

function logOptionsOf(query: URLSearchParams, nowMs: number): LogOptions {
  const number = (name: string): number | undefined => {
    const value = query.get(name);
    return value === null || value === '' ? undefined : Number(value);
  };
  const sinceSeconds = number('sinceSeconds');
  const since =
    query.get('sinceTime') ??
    (sinceSeconds === undefined
      ? undefined
      : new Date(Math.max(0, nowMs - sinceSeconds * 1000)).toISOString());
  const tailLines = number('tailLines');
  const limitBytes = number('limitBytes');
  const stream = query.get('stream')?.toLowerCase();
  return {
    follow: isTrue(query.get('follow')),
    timestamps: isTrue(query.get('timestamps')),
    ...(tailLines !== undefined && { tailLines }),
    ...(limitBytes !== undefined && { limitBytes }),
    ...(since && { since }),
    ...((stream === 'stdout' || stream === 'stderr') && { stream }),
  };
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
