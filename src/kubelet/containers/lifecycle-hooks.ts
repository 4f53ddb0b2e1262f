/** Runs a container's hooks, right after its start and right before its end. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { KubeletContext } from '../context.ts';
import { joinHostPort, resolvePort } from '../probes/probe-run.ts';

export interface HookTarget {
  pod: Pod;
  container: core.Container;
  containerId: string;
  podIp: string;
}

/** The time limit of an HTTP hook; apart from that, only the grace period limits it. */
const httpTimeoutMs = 60_000;

/** @throws Error with the message for the event */
export async function runHook(
  context: KubeletContext,
  hook: core.LifecycleHandler,
  target: HookTarget,
  { timeoutSeconds, signal }: { timeoutSeconds: number; signal: AbortSignal },
): Promise<void> {
  if (hook.exec) return runExecHook(context, hook.exec.command ?? [], target, timeoutSeconds);
  if (hook.sleep) return context.clock.sleep(hook.sleep.seconds * 1000, signal);
  if (hook.httpGet) return runHttpHook(context, hook.httpGet, target, signal);
  if (hook.tcpSocket) {
    const port = resolvePort(hook.tcpSocket.port, target.container);
    if (port === undefined) throw new Error(`couldn't find port: ${hook.tcpSocket.port}`);
    const host = hook.tcpSocket.host || target.podIp;
    const address = { host, port, timeoutMs: httpTimeoutMs };
    const problem = await context.machine.dialer.tcp(address, target.containerId);
    if (problem !== undefined) throw new Error(`dial tcp ${joinHostPort(host, port)}: ${problem}`);
    return;
  }
  throw new Error('invalid handler');
}

async function runExecHook(
  context: KubeletContext,
  command: readonly string[],
  target: HookTarget,
  timeoutSeconds: number,
): Promise<void> {
  const { stdout, stderr, exitCode } = await context.runtime.execSync(
    target.containerId,
    [...command],
    timeoutSeconds,
  );
  if (exitCode === 0) return;
  const { name, namespace, uid } = target.pod.metadata;
  const words = command.join(' ');
  const message = JSON.stringify(Buffer.concat([stdout, stderr]).toString());
  throw new Error(
    `Exec lifecycle hook ([${words}]) for Container "${target.container.name}" in Pod "${name}_${namespace}(${uid})" failed - error: command '${words}' exited with ${exitCode}: ${stderr.toString()}, message: ${message}`,
  );
}

async function runHttpHook(
  context: KubeletContext,
  action: core.HTTPGetAction,
  target: HookTarget,
  signal: AbortSignal,
): Promise<void> {
  const port = resolvePort(action.port, target.container);
  if (port === undefined) throw new Error(`couldn't find port: ${action.port}`);
  const answer = await context.machine.dialer.http(
    {
      scheme: (action.scheme ?? 'HTTP').toLowerCase() as 'http' | 'https',
      host: action.host || target.podIp,
      port,
      path: action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`,
      headers: action.httpHeaders ?? [],
      timeoutMs: httpTimeoutMs,
      signal,
    },
    target.containerId,
  );
  if ('error' in answer) throw new Error(answer.error);
  if (answer.status >= 400) throw new Error(`HTTP hook failed with status ${answer.status}: ${answer.body}`);
}
