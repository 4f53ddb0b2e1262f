/** Which requests take part in the fair queue, and whose flow they belong to. */
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { RequestContext } from '../request.ts';
import { FairQueue, type FairQueueLimits } from './fair-queue.ts';
import type { FlowSchemas } from './flow-schemas.ts';

/** Never held up: the cluster's own administrators, who must get in when it is overloaded. */
const exemptGroup = 'system:masters';
const longRunningSubresources = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);
const exemptPaths = /^\/(healthz|livez|readyz)(\/|$)/;

export class FlowControl {
  readonly #queue: FairQueue;
  readonly #schemas: FlowSchemas;

  constructor(metrics: MetricsRegistry, schemas: FlowSchemas, limits?: FairQueueLimits) {
    this.#schemas = schemas;
    this.#queue = new FairQueue(limits);
    metrics.collected('apiserver_current_inqueue_requests', 'Requests that wait for their turn.', () => [
      { labels: { request_kind: 'all' }, value: this.#queue.waitingCount },
    ]);
  }

  /** Runs `work` when it is the request's turn. @throws StatusError 429 */
  async run<T>(context: RequestContext, work: () => Promise<T> | T): Promise<T> {
    const { request, user, info, headers } = context;
    if (request.localUser) return await work();
    const flow = this.#schemas.flowOf(user, info);
    if (flow) {
      headers['x-kubernetes-pf-flowschema-uid'] = flow.schemaUid;
      headers['x-kubernetes-pf-prioritylevel-uid'] = flow.levelUid;
    }
    if (flow?.isExempt || isExempt(context)) return await work();
    const waiting = this.#queue.enter(flow?.id ?? user.name, request.signal);
    if (waiting) await waiting;
    try {
      return await work();
    } finally {
      this.#queue.leave();
    }
  }
}

/** Administrators, whatever the schemas say, and what lasts: watches, logs, streams. */
function isExempt({ request, info, user }: RequestContext): boolean {
  return (
    info.verb === 'watch' ||
    request.upgrade !== undefined ||
    longRunningSubresources.has(info.subresource) ||
    user.groups.includes(exemptGroup) ||
    exemptPaths.test(info.path)
  );
}
