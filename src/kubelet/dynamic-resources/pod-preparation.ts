/** Has the claims of one pod prepared, retries on failure, and reports it in events. */
import type { Pod } from '../../api/resources.gen.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { KubeletContext } from '../context.ts';
import { podEvents } from '../pod/pod-events.ts';

const retry = { firstMs: 1_000, maxMs: 122_000 };
/** Upper limit of the growing delay between attempts. */
const attemptsMax = 8;

export class PodPreparation {
  readonly #context: Pick<KubeletContext, 'claims' | 'recorder'>;
  #attempt = 0;

  constructor(context: Pick<KubeletContext, 'claims' | 'recorder'>) {
    this.#context = context;
  }

  /** Undefined: everything is prepared. Otherwise when to retry. `interrupt`: aborts when the pod is to end. */
  async setUp(pod: Pod, interrupt: AbortSignal): Promise<{ retryInMs: number } | undefined> {
    try {
      await this.#context.claims.prepare(pod, interrupt);
      this.#attempt = 0;
      return undefined;
    } catch (error) {
      const attempt = this.#attempt;
      this.#attempt = Math.min(attempt + 1, attemptsMax);
      if (!interrupt.aborted)
        podEvents(this.#context.recorder, pod).warning(
          'FailedPrepareDynamicResources',
          `Failed to prepare dynamic resources: ${messageOf(error)}`,
        );
      return { retryInMs: backoffDelayMs(retry, attempt) };
    }
  }
}
