/** An API server of a few lines for the client's own tests: one collection, its history, and faults on demand. */

import type { KubeObject } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { Transport, TransportEvent, TransportRequest, TransportResponse } from './transport.ts';

export class FakeTransport implements Transport {
  readonly requests: TransportRequest[] = [];
  /** Thrown by the next request, once. */
  failNext: Error | undefined;
  /** Watches from before this revision get `410 Gone`. */
  oldestRevision = 0;
  readonly #objects = new Map<string, KubeObject>();
  readonly #history: { revision: number; event: TransportEvent }[] = [];
  readonly #watches = new Set<{ push(event: TransportEvent): void; end(): void }>();
  #revision = 0;

  /** Creates or changes an object, as another client would. */
  put(name: string, content: Partial<KubeObject['metadata']> & { uid?: string } = {}): KubeObject {
    const old = this.#objects.get(name);
    const metadata = {
      uid: `uid-${name}`,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...old?.metadata,
      ...content,
      name,
      namespace: 'default',
      resourceVersion: String(++this.#revision),
    };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
    this.#objects.set(name, object);
    this.#publish({ type: old ? 'MODIFIED' : 'ADDED', object });
    return object;
  }

  remove(name: string): void {
    const old = this.#objects.get(name);
    if (!old) return;
    this.#objects.delete(name);
    const metadata = { ...old.metadata, resourceVersion: String(++this.#revision) };
    this.#publish({ type: 'DELETED', object: { ...old, metadata } });
  }

  /** As a write to another collection of the same store. */
  advanceRevision(): void {
    this.#revision++;
  }

  /** Ends all watches; what happens until they come back is not seen by them. */
  breakWatches(): void {
    for (const watch of [...this.#watches]) watch.end();
  }

  #publish(event: TransportEvent): void {
    this.#history.push({ revision: this.#revision, event });
    for (const watch of this.#watches) watch.push(event);
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    this.requests.push(request);
    const failure = this.failNext;
    this.failNext = undefined;
    if (failure) throw failure;
    const [path = '', query = ''] = request.path.split('?');
    const parameters = new URLSearchParams(query);
    if (parameters.get('watch'))
      return { status: 200, events: this.#watch(Number(parameters.get('resourceVersion')), request.signal) };
    const name = /configmaps\/([^/]+)/.exec(path)?.[1];
    if (request.method === 'GET' && !name) {
      const metadata = { resourceVersion: String(this.#revision) };
      return { status: 200, object: { metadata, items: [...this.#objects.values()] } };
    }
    if (request.method === 'POST') {
      const { metadata } = request.body as KubeObject;
      return { status: 201, object: this.put(metadata.name, metadata) };
    }
    const present = this.#objects.get(name ?? '');
    if (!present) {
      const { status } = new StatusError(404, 'NotFound', `configmaps "${name}" not found`);
      return { status: 404, object: status };
    }
    if (request.method === 'PUT')
      return { status: 200, object: this.put(name!, (request.body as KubeObject).metadata) };
    if (request.method === 'DELETE') this.remove(name!);
    return { status: 200, object: present };
  }

  async *#watch(from: number, signal: AbortSignal | undefined): AsyncGenerator<TransportEvent> {
    if (from < this.oldestRevision) {
      const { status } = new StatusError(410, 'Expired', 'too old resource version');
      yield { type: 'ERROR', object: status };
      return;
    }
    const waiting = this.#history.filter(({ revision }) => revision > from).map(({ event }) => event);
    let wake = Promise.withResolvers<void>();
    let isOver = false;
    const watch = {
      push: (event: TransportEvent) => {
        waiting.push(event);
        wake.resolve();
      },
      end: () => {
        isOver = true;
        wake.resolve();
      },
    };
    this.#watches.add(watch);
    signal?.addEventListener('abort', watch.end, { once: true });
    try {
      while (!isOver) {
        for (let event = waiting.shift(); event; event = waiting.shift()) yield event;
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
    } finally {
      this.#watches.delete(watch);
    }
  }

  close(): void {
    this.breakWatches();
  }
}
