/** Creates the sandbox of a pod: its network, its name, resolver and hosts file. */

import { type Pod, RuntimeClass } from '../../api/resources.gen.ts';
import { isNotFound } from '../../api/status.ts';
import { abortLater } from '../../base/async/abort-later.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Outcome, timed } from '../../base/async/timed.ts';
import type { KubeletContext } from '../context.ts';
import type { SandboxConfig } from '../cri/messages.ts';
import { podEvents } from '../pod/pod-events.ts';
import { type DnsProblem, resolverConfigOf } from '../spec/dns-config.ts';
import { hostnameProblem, hostsFileOf } from '../spec/hostname.ts';
import { sandboxConfigOf, withUserNamespace } from '../spec/sandbox-config.ts';
import { hostUsers, userNamespaceProblem } from './user-namespaces.ts';

const retry = { firstMs: 500, maxMs: 15_000 };

/**
 * How long creating the sandbox of a pod that is to end may still take. Interrupted between the start of a shim and of
 * its container, containerd leaves a process behind; only a hanging call is worth that.
 */
const interruptedAfterMs = 5_000;

export class PodSandbox {
  readonly #context: KubeletContext;
  #attempt = 0;
  #isPrepared = false;
  /** In the configuration that was computed last. */
  #dnsProblems: readonly DnsProblem[] = [];

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  async configOf(pod: Pod, attempt: number, cgroupParent: string | undefined): Promise<SandboxConfig> {
    const { machine, clusterDns, clusterDomain, seccompDefault, userNamespaces } = this.#context;
    const host = await machine.files.hostResolver();
    const { config: resolver, problems } = resolverConfigOf(pod, { clusterDns, clusterDomain, host });
    this.#dnsProblems = problems;
    return sandboxConfigOf(pod, {
      attempt,
      clusterDomain,
      resolver,
      podLogsDir: machine.files.podLogsDir,
      seccompDefault,
      userNamespace: (await userNamespaces.find(pod.metadata.uid)) ?? hostUsers,
      ...(cgroupParent && { cgroupParent }),
    });
  }

  /**
   * Returns the configuration that it has. A failure is reported in an event; the caller retries later. `planned`: from
   * {@link configOf}.
   */
  async create(
    pod: Pod,
    planned: SandboxConfig,
    signal: AbortSignal,
  ): Promise<{ id: string; config: SandboxConfig } | { retryInMs: number }> {
    const { machine, recorder, counts } = this.#context;
    const noteOutcome = (outcome: Outcome) => {
      if (pod.spec.hostUsers === false) counts.userNamespaceStarted(outcome);
    };
    try {
      const handler = await this.#runtimeHandler(pod);
      const problem = hostnameProblem(pod, this.#context.clusterDomain);
      if (problem !== undefined) throw new Error(problem);
      if (!this.#isPrepared) await machine.files.preparePod(pod);
      this.#isPrepared = true;
      const config = await this.#withUserNamespace(pod, planned, handler);
      for (const { reason, message } of this.#dnsProblems) podEvents(recorder, pod).warning(reason, message);
      const id = await this.#run(config, handler, signal);
      this.#context.track(id, pod.metadata.uid);
      this.#attempt = 0;
      noteOutcome('succeeded');
      return { id, config };
    } catch (error) {
      noteOutcome('failed');
      if (!signal.aborted)
        podEvents(recorder, pod).warning(
          'FailedCreatePodSandBox',
          `Failed to create pod sandbox: ${(error as Error).message}`,
        );
      return { retryInMs: backoffDelayMs(retry, Math.min(this.#attempt++, 10)) };
    }
  }

  async #withUserNamespace(pod: Pod, planned: SandboxConfig, handler: string): Promise<SandboxConfig> {
    if (pod.spec.hostUsers !== false) return planned;
    const { runtimeHandlers, userNamespaces } = this.#context;
    const problem = userNamespaceProblem(runtimeHandlers(), handler);
    if (problem !== undefined) throw new Error(problem);
    return withUserNamespace(planned, await userNamespaces.allocate(pod.metadata.uid));
  }

  async #run(config: SandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string> {
    const { runtime, clock, counts, sandboxStarts, podStarts } = this.#context;
    const ended = sandboxStarts.begin(clock.monotonic());
    const late = abortLater(clock, signal, interruptedAfterMs);
    const start = () =>
      podStarts.during(() => runtime.runPodSandbox(config, runtimeHandler, { signal: late.signal }));
    return timed(clock, start, (outcome, seconds) => {
      ended();
      late.close();
      counts.sandboxStarted(runtimeHandler, outcome, seconds);
    });
  }

  /** The path to mount; undefined: none. */
  async writeHosts(pod: Pod, podIps: readonly string[]): Promise<string | undefined> {
    const { machine, clusterDomain } = this.#context;
    const hostHosts = pod.spec.hostNetwork ? await machine.files.hostHosts() : '';
    return machine.files.writeHosts(pod, hostsFileOf(pod, { podIps, clusterDomain, hostHosts }));
  }

  async #runtimeHandler(pod: Pod): Promise<string> {
    const name = pod.spec.runtimeClassName;
    if (!name) return '';
    try {
      return (await this.#context.client.get(RuntimeClass, { name })).handler;
    } catch (error) {
      if (isNotFound(error))
        throw new Error(`failed to get sandbox runtime: RuntimeClass "${name}" not found`);
      throw error;
    }
  }
}
