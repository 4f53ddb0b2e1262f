/** Which requests take part in the fair queue, and whose flow they belong to. */
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { RequestContext } from '../request.ts';
import { FairQueue, type FairQueueLimits } from './fair-queue.ts';

/** Never held up: the cluster's own administrators, who must get in when it is overloaded. */
const exemptGroup = 'system:masters';
const longRunningSubresources = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);
const exemptPaths = /^\/(healthz|livez|readyz)(\/|$)/;

export class FlowControl {
  readonly #queue: FairQueue;

  constructor(metrics: MetricsRegistry, limits?: FairQueueLimits) {
    this.#queue = new FairQueue(limits);
    metrics.collected('apiserver_current_inqueue_requests', 'Requests that wait for their turn.', () => [
      { labels: { request_kind: 'all' }, value: this.#queue.waitingCount },
    ]);
  }

  /** Runs `work` when it is the request's turn. @throws StatusError 429 */
  async run<T>(context: RequestContext, work: () => Promise<T> | T): Promise<T> {
    if (isExempt(context)) return await work();
    const waiting = this.#queue.enter(context.user.name, context.request.signal);
    if (waiting) await waiting;
    try {
      return await work();
    } finally {
      this.#queue.leave();
    }
  }
}

/** Requests of this process, of administrators, and those that last: watches, logs, streams. */
function isExempt({ request, info, user }: RequestContext): boolean {
  return (
    request.localUser !== undefined ||
    info.verb === 'watch' ||
    request.upgrade !== undefined ||
    longRunningSubresources.has(info.subresource) ||
    user.groups.includes(exemptGroup) ||
    exemptPaths.test(info.path)
  );
}
