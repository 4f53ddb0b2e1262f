/** Removes the remains of sandboxes whose creation was interrupted by the end of containerd or of the agent. */
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { SandboxTrace, SandboxTraces } from '../machine.ts';

const everyMs = 30_000;

export interface SandboxLeftoversOptions {
  runtime: Pick<ContainerRuntime, 'listPodSandboxes' | 'listContainers' | 'dropAbandoned'>;
  traces: SandboxTraces;
  clock: Clock;
  logger: Logger;
  /** When the creation of the oldest unfinished sandbox began, by the monotonic clock; undefined: none is under way. */
  makingSinceMs(): number | undefined;
}

export class SandboxLeftovers {
  readonly #options: SandboxLeftoversOptions;
  /** What belonged to no sandbox at the last check, and when that was. */
  #last: { keys: ReadonlySet<string>; atMs: number } | undefined;

  constructor(options: SandboxLeftoversOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        await this.look();
        await this.#dropAbandoned();
      } catch (error) {
        if (!signal.aborted) logger.debug('leftovers of sandboxes could not be looked for', { error });
      }
      await pause(clock, everyMs, signal);
    }
  }

  /**
   * What the runtime does not know at two checks is left over, unless a sandbox was being created at both: the runtime
   * lists sandboxes only once they are complete.
   */
  async look(): Promise<void> {
    const { runtime, traces, clock, makingSinceMs } = this.#options;
    const before = this.#last;
    const atMs = clock.monotonic();
    // Read before the runtime is listed: a sandbox completed by then is in the list.
    const sinceMs = makingSinceMs() ?? atMs;
    const listed = (await Promise.all([runtime.listPodSandboxes(), runtime.listContainers()])).flat();
    const unknown = await traces.unknown(new Set(listed.map(({ id }) => id)));
    this.#last = { keys: new Set(unknown.map(keyOf)), atMs };
    if (!before || sinceMs < before.atMs) return;
    for (const trace of unknown) if (before.keys.has(keyOf(trace))) await this.#remove(trace);
  }

  async #dropAbandoned(): Promise<void> {
    const { runtime, logger } = this.#options;
    const count = await runtime.dropAbandoned();
    if (count > 0) logger.info('what the runtime was making when it was killed is let go', { count });
  }

  async #remove(trace: SandboxTrace): Promise<void> {
    const { traces, logger } = this.#options;
    try {
      await traces.remove(trace);
      logger.info('what a sandbox left that was never finished is removed', { ...trace });
    } catch (error) {
      logger.warn('what a sandbox left that was never finished stays for now', { ...trace, error });
    }
  }
}

const keyOf = ({ kind, id, at }: SandboxTrace): string => `${kind} ${id} ${at}`;
