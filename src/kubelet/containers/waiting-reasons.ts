/** Why containers of a pod do not run, as it is shown: upstream shows some reasons only a moment after they came up. */
import type { StartProblem } from './container-start.ts';
import type { WaitingReason } from './container-statuses.ts';

const showsAfterMs = 1_000;

export class WaitingReasons {
  readonly #shown = new Map<string, WaitingReason>();
  /** Those to come, by the name of their container. */
  readonly #next = new Map<string, WaitingReason>();
  readonly #outdated = new Set<string>();

  /** By the name of the container. */
  get shown(): ReadonlyMap<string, WaitingReason> {
    return this.#shown;
  }

  show(name: string, waiting: WaitingReason): void {
    this.#shown.set(name, waiting);
  }

  /** Whatever it waited for, it runs. */
  started(name: string): void {
    this.#shown.delete(name);
    this.#next.delete(name);
  }

  /** The container has another image, of which what was wrong with the old one says nothing; it shows once more. */
  imageChanged(name: string): void {
    this.#outdated.add(name);
  }

  dropOutdated(): void {
    for (const name of this.#outdated) this.#shown.delete(name);
    this.#outdated.clear();
  }

  /** Shows what was held back, but for a configuration that has failed only once: it may be possible a moment later. */
  showHeldBack(): void {
    for (const [name, waiting] of this.#next) {
      if (isConfigurationProblem(waiting)) continue;
      this.#shown.set(name, waiting);
      this.#next.delete(name);
    }
  }

  /**
   * Takes in that a start failed; gives the milliseconds after which to look again, if that is known. A configuration
   * that is not possible shows when it has failed twice; that a pull failed again, a moment after the wait before it.
   */
  failed(name: string, { waiting, retryInMs }: StartProblem): number | undefined {
    const shown = this.#shown.get(name)?.reason;
    const hasFailedOnce = this.#next.delete(name);
    const isNew = isConfigurationProblem(waiting) && shown === undefined && !hasFailedOnce;
    if (shown === 'ImagePullBackOff' || isNew) {
      this.#next.set(name, waiting);
      return showsAfterMs;
    }
    this.#shown.set(name, waiting);
    return retryInMs;
  }
}

function isConfigurationProblem({ reason }: WaitingReason): boolean {
  return reason.startsWith('CreateContainer');
}
