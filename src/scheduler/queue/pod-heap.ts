/** Queued pods in an order. One that moves elsewhere leaves a stale entry, which is passed over: cheaper than to find it. */
import { Heap } from '../../base/collections/heap.ts';
import type { QueuedPod } from './queued-pod.ts';

interface Entry {
  queued: QueuedPod;
  /** The pod's when it was added. */
  ticket: number;
}

export class PodHeap {
  readonly #entries: Heap<Entry>;

  constructor(isBefore: (left: QueuedPod, right: QueuedPod) => boolean) {
    this.#entries = new Heap((left, right) => isBefore(left.queued, right.queued));
  }

  push(queued: QueuedPod): void {
    this.#entries.push({ queued, ticket: queued.ticket });
  }

  peek(): QueuedPod | undefined {
    for (let entry = this.#entries.peek(); entry; entry = this.#entries.peek()) {
      if (entry.ticket === entry.queued.ticket) return entry.queued;
      this.#entries.pop();
    }
    return undefined;
  }

  pop(): QueuedPod | undefined {
    const first = this.peek();
    if (first) this.#entries.pop();
    return first;
  }
}
