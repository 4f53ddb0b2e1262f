/** What a simulated runtime tells those who follow it, to each in order. */
import type { RuntimeEvent } from '../runtime.ts';

export class SimulatedEvents {
  readonly #listeners = new Set<(event: RuntimeEvent) => void>();

  emit(event: RuntimeEvent): void {
    for (const listen of this.#listeners) listen(event);
  }

  /** What is emitted from `ready` on, until the signal ends it. */
  async *follow(signal: AbortSignal, ready: () => void): AsyncGenerator<RuntimeEvent> {
    const queue: RuntimeEvent[] = [];
    let wake: (() => void) | undefined;
    const listen = (event: RuntimeEvent) => {
      queue.push(event);
      wake?.();
    };
    const stop = () => wake?.();
    this.#listeners.add(listen);
    signal.addEventListener('abort', stop, { once: true });
    ready();
    try {
      while (!signal.aborted) {
        const next = queue.shift();
        if (next) yield next;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#listeners.delete(listen);
      signal.removeEventListener('abort', stop);
    }
  }
}
