/** `containerLogs`: which container's log a request means, and its options. */

import type { ServerResponse } from 'node:http';
import { drained } from '../../../base/async/drained.ts';
import type { Clock } from '../../../base/clock.ts';
import { goQuote } from '../../../base/text/go-quote.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import type { ObservedContainer } from '../../pod/pod-observation.ts';
import type { PodWorker } from '../../pod/pod-worker.ts';
import { type AskedPods, containerSpec } from '../asked-pods.ts';
import { HttpProblem } from '../http-problem.ts';
import { type LogOptions, type LogSink, serveLog } from './container-logs.ts';

interface LogRequest {
  /** Namespace, pod and container. */
  path: readonly string[];
  query: URLSearchParams;
  response: ServerResponse;
}

/** @throws HttpProblem 400, 404 before anything is sent */
export async function servePodLog(
  pods: AskedPods,
  clock: Clock,
  { path, query, response }: LogRequest,
): Promise<void> {
  const [namespace = '', name = '', containerName = ''] = path;
  const worker = await pods.worker(namespace, name);
  const { id, logPath } = findLogged(worker, containerName, { previous: isTrue(query.get('previous')) });
  const sink = sinkTo(response);
  response.writeHead(200, { 'Content-Type': 'text/plain' });
  response.flushHeaders();
  await serveLog(logPath, logOptionsOf(query, clock.now()), sink, () => pods.isRunning(id));
  response.end();
}

function findLogged(
  worker: PodWorker,
  containerName: string,
  { previous }: { previous: boolean },
): ObservedContainer {
  const history = worker.observed.containers.filter((container) => container.name === containerName);
  const quoted = goQuote(containerName);
  const inPod = `in pod ${goQuote(worker.pod.metadata.name)}`;
  if (!containerSpec(worker, containerName))
    throw new HttpProblem(404, `container ${quoted} not found ${inPod}`);
  // For a container in back-off, the one that ended last is both the present and the previous one.
  const waits = history[0]?.state === 'exited' && worker.waitingReason(containerName) !== undefined;
  const container = previous && !waits ? history[1] : history[0];
  if (container) return container;
  throw new HttpProblem(
    400,
    previous
      ? `previous terminated container ${quoted} ${inPod} not found`
      : `container ${quoted} ${inPod} is waiting to start: ${waitingText(worker, containerName)}`,
  );
}

function waitingText(worker: PodWorker, containerName: string): string {
  const reason = worker.waitingReason(containerName);
  if (reason === 'ErrImagePull') return "image can't be pulled";
  if (reason === 'ImagePullBackOff') return 'trying and failing to pull image';
  return reason ?? (worker.pod.spec.initContainers?.length ? 'PodInitializing' : 'ContainerCreating');
}

function sinkTo(response: ServerResponse): LogSink {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  if (response.closed) gone.abort();
  const { signal } = gone;
  return {
    signal,
    async write(data) {
      if (signal.aborted) return false;
      if (!response.write(data)) await drained(response);
      return !signal.aborted;
    },
  };
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
