/** Requests to the worker thread and their answers, matched by number. */
import { Worker } from 'node:worker_threads';
import { StoreUnavailableError } from '../store.ts';
import type { AnswerEnvelope, RequestEnvelope, WorkerAnswers, WorkerRequest } from './protocol.ts';

export class WorkerPort {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #nextId = 0;
  #failure: Error | undefined;

  constructor(path: string) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { path } });
    this.#worker.on('message', (message: AnswerEnvelope) => this.#settle(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the storage thread has ended')));
  }

  ask<Kind extends WorkerRequest['kind']>(
    request: Extract<WorkerRequest, { kind: Kind }>,
    transfer: ArrayBuffer[] = [],
  ): Promise<WorkerAnswers[Kind]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#worker.postMessage({ id, request } satisfies RequestEnvelope, transfer);
    });
  }

  /** Resolves when the thread has ended and the file is closed. */
  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    await this.ask({ kind: 'close' });
    await ended;
  }

  #settle(message: AnswerEnvelope): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ('error' in message) waiting?.reject(new StoreUnavailableError(`storage: ${message.error}`));
    else waiting?.resolve(message.answer);
  }

  #fail(cause: Error): void {
    this.#failure ??= new StoreUnavailableError(`storage: ${cause.message}`, { cause });
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
