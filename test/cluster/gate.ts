/** Holds the watches of one kind, so that caches show what was, for as long as a test wants it. */
import type { ResourceType } from '../../src/api/meta.ts';
import type { Transport, TransportEvent } from '../../src/client/transport/transport.ts';

/** Watches of the kind that it holds tell nothing until it lets go. */
export class Gate {
  #held: string | undefined;
  #permits = 0;
  #changed = Promise.withResolvers<void>();

  hold({ plural }: ResourceType): void {
    this.#held = plural;
  }

  release(): void {
    this.#held = undefined;
    this.#tell();
  }

  /** Lets the next event through, and holds those after it. */
  letOneThrough(): void {
    this.#permits++;
    this.#tell();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  wrap(transport: Transport): Transport {
    return {
      send: async (request) => {
        const response = await transport.send(request);
        if (!('events' in response)) return response;
        const plural = request.path.split('?')[0]!.split('/').at(-1)!;
        return { ...response, events: this.#pass(plural, response.events) };
      },
      close: () => transport.close(),
    };
  }

  async *#pass(plural: string, events: AsyncIterable<TransportEvent>): AsyncGenerator<TransportEvent> {
    for await (const event of events) {
      while (this.#held === plural && this.#permits === 0) await this.#changed.promise;
      if (this.#held === plural) this.#permits--;
      yield event;
    }
  }
}
