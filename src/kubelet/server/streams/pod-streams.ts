/** Exec, attach and port-forward: the streams between clients and the runtime. */

import { internalError } from '../../../api/status.ts';
import { goQuote } from '../../../base/text/go-quote.ts';
import type { KubeletContext } from '../../context.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import type { ObservedContainer } from '../../pod/pod-observation.ts';
import type { PodWorker } from '../../pod/pod-worker.ts';
import { type AskedPods, containerSpec } from '../asked-pods.ts';
import { HttpProblem } from '../http-problem.ts';
import { lastLoggedAtMs } from '../logs/log-reader.ts';
import { type StreamRequest, speaksSpdy, speaksV5, type Upgrade } from './client-streams.ts';
import { relayUpgrade, speaksTunnel, tunnelPortForward } from './stream-proxy.ts';
import { translateStreams } from './stream-translation.ts';

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

export class PodStreams {
  readonly #context: KubeletContext;
  readonly #pods: AskedPods;

  constructor(context: KubeletContext, pods: AskedPods) {
    this.#context = context;
    this.#pods = pods;
  }

  /** @throws HttpProblem 404 when there is no such pod, container or action */
  async connect(upgrade: Upgrade, url: URL): Promise<void> {
    const [, action, namespace = '', name = '', ...rest] = url.pathname.split('/');
    const worker = await this.#pods.worker(namespace, name);
    const query = url.searchParams;
    if (action === 'portForward') return await this.#forwardPorts(upgrade, worker, query);
    if (action !== 'exec' && action !== 'attach') throw new HttpProblem(404, '404 page not found');
    const containerName = rest.at(-1) ?? '';
    const container = await this.#pods.runningContainer(worker, containerName);
    if (!container) throw new HttpProblem(404, notFoundMessage(action, worker, containerName));
    const wanted = streamsOf(query);
    if (action === 'attach') return await this.#attach(upgrade, worker, container, wanted);
    return await this.#exec(upgrade, container, query.getAll('command'), wanted);
  }

  async #forwardPorts(upgrade: Upgrade, worker: PodWorker, query: URLSearchParams): Promise<void> {
    const { namespace, name } = worker.pod.metadata;
    const sandbox = worker.observed.sandboxes.find(({ ready }) => ready);
    if (!sandbox) throw new HttpProblem(404, `pod not found (${goQuote(`${name}_${namespace}`)})`);
    const ports = query
      .getAll('ports')
      .concat(query.getAll('port'))
      .flatMap((list) => list.split(','))
      .map(Number);
    const target = await this.#context.runtime.portForward(sandbox.id, ports);
    if (speaksTunnel(upgrade.request)) return tunnelPortForward(upgrade, target);
    return relayUpgrade(upgrade, target);
  }

  async #exec(
    upgrade: Upgrade,
    container: ObservedContainer,
    cmd: string[],
    wanted: StreamRequest,
  ): Promise<void> {
    const target = await this.#context.runtime.exec({ containerId: container.id, cmd, ...wanted });
    if (!speaksV5(upgrade.request)) return relayUpgrade(upgrade, target);
    return translateStreams(upgrade, target, { client: wanted, runtime: wanted, inputEnd: 'ends' });
  }

  async #attach(
    upgrade: Upgrade,
    worker: PodWorker,
    container: ObservedContainer,
    wanted: StreamRequest,
  ): Promise<void> {
    const { runtime, clock } = this.#context;
    const { name, id, logPath } = container;
    const requestedAtMs = clock.now();
    await clock.sleep(
      Math.min(attachAfterMs, Math.max(0, container.startedAtMs + attachAfterMs - clock.now())),
    );
    if (!(await this.#pods.runningContainer(worker, name))) {
      throw new HttpProblem(400, notFoundMessage('attach', worker, name));
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
      statusOfSilence: async (runtimeStatus, { inputHasEnded }) => {
        if (!runtimeStatus.includes('"Success"')) return undefined;
        // To a container whose input stays open, the runtime ends the streams with the client's input.
        const isLeft = inputHasEnded && !stdinOnce;
        const endedAtMs = await this.#endOf(id, { triesMax: isLeft ? 1 : endTriesMax });
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
  async #endOf(containerId: string, { triesMax }: { triesMax: number }): Promise<number | undefined> {
    const { runtime, clock } = this.#context;
    try {
      for (let tries = 1; ; tries++) {
        const { state, finishedAt } = await runtime.containerStatus(containerId);
        if (state === 'CONTAINER_EXITED') return finishedAt / 1e6;
        if (tries >= triesMax) return undefined;
        await clock.sleep(endPollMs);
      }
    } catch (error) {
      if (error instanceof RuntimeError) return undefined;
      throw error;
    }
  }
}

/** In upstream's words. Without a colon: kubectl 1.20 would parse it as YAML, and print nothing. */
function notFoundMessage(action: 'exec' | 'attach', { pod }: PodWorker, container: string): string {
  if (action === 'exec') return `container not found (${goQuote(container)})`;
  return `container ${container} not found in pod ${pod.metadata.name}_${pod.metadata.namespace}`;
}

function streamsOf(query: URLSearchParams): StreamRequest {
  const isSet = (...names: string[]) => names.some((key) => ['1', 'true'].includes(query.get(key) ?? ''));
  const tty = isSet('tty');
  return {
    stdin: isSet('input', 'stdin'),
    stdout: isSet('output', 'stdout'),
    // A terminal has one output.
    stderr: !tty && isSet('error', 'stderr'),
    tty,
  };
}
