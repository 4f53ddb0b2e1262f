/** Why containers of a pod do not run, as reported: upstream shows some reasons only a moment after they occur. */
import type { StartProblem } from './container-start.ts';
import type { WaitingReason } from './container-statuses.ts';

const showsAfterMs = 1_000;

export class WaitingReasons {
  readonly #shown = new Map<string, WaitingReason>();
  /** Reasons to be shown later, by container name. */
  readonly #next = new Map<string, WaitingReason>();
  readonly #outdated = new Set<string>();

  /** By the name of the container. */
  get shown(): ReadonlyMap<string, WaitingReason> {
    return this.#shown;
  }

  show(name: string, waiting: WaitingReason): void {
    this.#shown.set(name, waiting);
  }

  /** It runs, so whatever it waited for is past. */
  started(name: string): void {
    this.#shown.delete(name);
    this.#next.delete(name);
  }

  /** The container has a new image, and the problems of the old one no longer apply; they are shown once more. */
  imageChanged(name: string): void {
    this.#outdated.add(name);
  }

  dropOutdated(): void {
    for (const name of this.#outdated) this.#shown.delete(name);
    this.#outdated.clear();
  }

  /**
   * Shows what was held back, except for a configuration that has failed only once, which may succeed a moment later.
   */
  showHeldBack(): void {
    for (const [name, waiting] of this.#next) {
      if (isConfigurationProblem(waiting)) continue;
      this.#shown.set(name, waiting);
      this.#next.delete(name);
    }
  }

  /**
   * Records a failed start; returns the milliseconds after which to try again, if known. A failed configuration is
   * shown when it has failed twice; a repeated pull failure is shown a moment after the wait that preceded it.
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
