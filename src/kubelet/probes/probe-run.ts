/** One execution of a probe, and the message about its outcome. */

import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { goQuote } from '../../base/text/go-quote.ts';
import { joinHostPort } from '../../base/text/host-port.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { expandReferences } from '../spec/expansion.ts';
import type { ProbeDialer } from './dialer.ts';

export interface ProbeTarget {
  pod: Pod;
  container: core.Container;
  containerId: string;
  podIp: string;
}

export type ProbeOutcome =
  | { result: 'success' | 'warning' | 'failure'; output: string }
  /** The probe could not be executed, or not to its end: it has no result. `began`: the container had begun to answer. */
  | { result: 'error'; output: string; began?: boolean };

const outputMaxBytes = 10 * 1024;

export async function runProbe(
  probe: core.Probe,
  target: ProbeTarget,
  runtime: ContainerRuntime,
  dialer: ProbeDialer,
): Promise<ProbeOutcome> {
  const timeoutSeconds = probe.timeoutSeconds ?? 1;
  if (probe.exec) return runExec(probe.exec.command ?? [], timeoutSeconds, target, runtime);
  if (probe.httpGet) return runHttp(probe.httpGet, timeoutSeconds, target, dialer);
  if (probe.tcpSocket) {
    const port = resolvePort(probe.tcpSocket.port, target.container);
    if (port === undefined) return unknownPort(probe.tcpSocket.port);
    const host = probe.tcpSocket.host || target.podIp;
    const address = { host, port, timeoutMs: timeoutSeconds * 1000 };
    const problem = await dialer.tcp(address, target.containerId);
    if (problem === undefined) return { result: 'success', output: '' };
    return { result: 'failure', output: `dial tcp ${joinHostPort(host, port)}: ${problem}` };
  }
  if (probe.grpc) return runGrpc(probe.grpc, timeoutSeconds, target, dialer);
  return { result: 'error', output: `missing probe handler for ${target.container.name}` };
}

async function runExec(
  command: readonly string[],
  timeoutSeconds: number,
  target: ProbeTarget,
  runtime: ContainerRuntime,
): Promise<ProbeOutcome> {
  const environment = new Map(
    (target.container.env ?? []).map(({ name, value }) => [name, value ?? ''] as const),
  );
  const words = command.map((word) => expandReferences(word, (name) => environment.get(name)));
  try {
    const { stdout, stderr, exitCode } = await runtime.execSync(target.containerId, words, timeoutSeconds);
    const output = Buffer.concat([stdout, stderr]).subarray(0, outputMaxBytes).toString();
    return { result: exitCode === 0 ? 'success' : 'failure', output };
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'DeadlineExceeded')
      return {
        result: 'failure',
        output: `command timed out: ${goQuote(words.join(' '))} timed out after ${timeoutSeconds}s`,
      };
    return { result: 'error', output: (error as Error).message };
  }
}

async function runHttp(
  action: core.HTTPGetAction,
  timeoutSeconds: number,
  target: ProbeTarget,
  dialer: ProbeDialer,
): Promise<ProbeOutcome> {
  const port = resolvePort(action.port, target.container);
  if (port === undefined) return unknownPort(action.port);
  const scheme = (action.scheme ?? 'HTTP').toLowerCase() as 'http' | 'https';
  const host = action.host || target.podIp;
  const path = action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`;
  const check = {
    scheme,
    host,
    port,
    path,
    headers: action.httpHeaders ?? [],
    timeoutMs: timeoutSeconds * 1000,
  };
  const answer = await dialer.http(check, target.containerId);
  if ('error' in answer)
    return answer.hasBegun
      ? { result: 'error', output: answer.error, began: true }
      : { result: 'failure', output: answer.error };
  if (answer.status >= 200 && answer.status < 300) return { result: 'success', output: answer.body };
  if (answer.status >= 300 && answer.status < 400)
    return { result: 'warning', output: `Probe terminated redirects, Response body: ${answer.body}` };
  return { result: 'failure', output: `HTTP probe failed with statuscode: ${answer.status}` };
}

async function runGrpc(
  action: core.GRPCAction,
  timeoutSeconds: number,
  target: ProbeTarget,
  dialer: ProbeDialer,
): Promise<ProbeOutcome> {
  const { port, service = '' } = action;
  const check = { host: target.podIp, port, service, timeoutMs: timeoutSeconds * 1000 };
  const problem = await dialer.grpc(check, target.containerId);
  return problem === undefined ? { result: 'success', output: '' } : { result: 'failure', output: problem };
}

function unknownPort(port: number | string): ProbeOutcome {
  return { result: 'error', output: unknownPortMessage(port) };
}

/** A name that is not a port's is finally parsed as a number, so that the error is upstream's. */
export function unknownPortMessage(port: number | string): string {
  return `strconv.Atoi: parsing "${port}": invalid syntax`;
}

/** A number, or the name of one of the container's ports. */
export function resolvePort(port: number | string, container: core.Container): number | undefined {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port);
  if (named) return named.containerPort;
  return /^\d+$/.test(port) ? Number(port) : undefined;
}
