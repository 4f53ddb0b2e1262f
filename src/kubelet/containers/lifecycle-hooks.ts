/** Runs a container's hooks, right after its start and right before its end. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { goQuote } from '../../base/text/go-quote.ts';
import { joinHostPort } from '../../base/text/host-port.ts';
import type { KubeletContext } from '../context.ts';
import { podEvents } from '../pod/pod-events.ts';
import type { HttpCheck } from '../probes/dialer.ts';
import { resolvePort, unknownPortMessage } from '../probes/probe-run.ts';

export interface HookTarget {
  pod: Pod;
  container: core.Container;
  containerId: string;
  podIp: string;
}

/** A command runs until it, or its container, ends: nobody may wait for it as long. */
const noTimeout = 0;
/** The time limit of an HTTP hook; apart from that, only the grace period limits it. */
const httpTimeoutMs = 60_000;
const userAgent = 'kube-lifecycle/1.36';

/** @throws Error with the message for the container's status */
export async function runHook(
  context: KubeletContext,
  hook: core.LifecycleHandler,
  target: HookTarget,
  signal: AbortSignal,
): Promise<void> {
  if (hook.exec) return runExecHook(context, hook.exec.command ?? [], target);
  if (hook.sleep) return runSleepHook(context, hook.sleep.seconds, signal);
  if (hook.httpGet) {
    const { path = '' } = hook.httpGet;
    return runHttpHook(context, hook.httpGet, target, signal).catch((error: unknown) => {
      throw new Error(
        `HTTP lifecycle hook (${path}) for ${nameOf(target)} failed - error: ${messageOf(error)}`,
        { cause: error },
      );
    });
  }
  if (hook.tcpSocket) {
    const port = resolvePort(hook.tcpSocket.port, target.container);
    if (port === undefined) throw new Error(unknownPortMessage(hook.tcpSocket.port));
    const host = hook.tcpSocket.host || target.podIp;
    const address = { host, port, timeoutMs: httpTimeoutMs };
    const problem = await context.machine.dialer.tcp(address, target.containerId);
    if (problem !== undefined) throw new Error(`dial tcp ${joinHostPort(host, port)}: ${problem}`);
    return;
  }
  throw new Error('invalid handler');
}

async function runSleepHook(context: KubeletContext, seconds: number, signal: AbortSignal): Promise<void> {
  try {
    await context.clock.sleep(seconds * 1000, signal);
  } finally {
    // The end of the agent itself ends no container.
    if (signal.aborted && !context.signal.aborted) context.counts.hookSleepCutShort();
  }
}

async function runExecHook(
  context: KubeletContext,
  command: readonly string[],
  target: HookTarget,
): Promise<void> {
  const words = command.join(' ');
  const failed = (problem: string, output: string, cause?: unknown) =>
    new Error(
      `Exec lifecycle hook ([${words}]) for ${nameOf(target)} failed - error: ${problem}, message: ${goQuote(output)}`,
      { cause },
    );
  const { stdout, stderr, exitCode } = await context.runtime
    .execSync(target.containerId, [...command], noTimeout)
    .catch((error: unknown) => {
      throw failed(messageOf(error), '', error);
    });
  if (exitCode === 0) return;
  throw failed(
    `command '${words}' exited with ${exitCode}: ${stderr.toString()}`,
    Buffer.concat([stdout, stderr]).toString(),
  );
}

function nameOf({ container, pod }: HookTarget): string {
  const { name, namespace, uid } = pod.metadata;
  return `Container "${container.name}" in Pod "${name}_${namespace}(${uid})"`;
}

/** Any answer means that the request has arrived. */
async function runHttpHook(
  context: KubeletContext,
  action: core.HTTPGetAction,
  target: HookTarget,
  signal: AbortSignal,
): Promise<void> {
  const port = resolvePort(action.port, target.container);
  if (port === undefined) throw new Error(unknownPortMessage(action.port));
  const check: HttpCheck = {
    scheme: (action.scheme ?? 'HTTP').toLowerCase() as HttpCheck['scheme'],
    host: action.host || target.podIp,
    port,
    path: action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`,
    headers: headersOf(action),
    timeoutMs: httpTimeoutMs,
    signal,
  };
  const answer = await context.machine.dialer.http(check, target.containerId);
  if (!('error' in answer)) return;
  if (!answer.speaksHttp || !(await answersInPlain(context, check, target))) throw new Error(answer.error);
  context.counts.hookFellBack();
  podEvents(context.recorder, target.pod).warning(
    'LifecycleHTTPFallback',
    `request to HTTPS lifecycle hook ${joinHostPort(check.host, port)} got HTTP response, retry with HTTP succeeded`,
  );
}

/** Older kubelets asked by HTTP whatever the scheme said: who relies on that is heard, but gets no credentials. */
async function answersInPlain(
  context: KubeletContext,
  check: HttpCheck,
  target: HookTarget,
): Promise<boolean> {
  const headers = check.headers.filter(({ name }) => name.toLowerCase() !== 'authorization');
  const plain = { ...check, scheme: 'http' as const, headers };
  return !('error' in (await context.machine.dialer.http(plain, target.containerId)));
}

function headersOf({ httpHeaders = [] }: core.HTTPGetAction): HttpCheck['headers'] {
  if (httpHeaders.some(({ name }) => name.toLowerCase() === 'user-agent')) return httpHeaders;
  return [...httpHeaders, { name: 'User-Agent', value: userAgent }];
}
