/** Priority and fairness: which requests take seats of which priority level, which wait and which are refused. */

import { PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import { mastersGroup } from '../../api/well-known.ts';
import type { Clock } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { isLongRunning } from '../http/deadline.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { ApiResponse, RequestContext, RequestInfo } from '../request.ts';
import { SeatDemand } from './demand.ts';
import { formatLevels, formatQueues, formatRequests } from './dump.ts';
import { FlowMetrics, type FlowSeries, requestKindOf } from './flow-metrics.ts';
import { type Flow, FlowSchemas } from './flow-schemas.ts';
import { type Admission, type EnterOptions, PriorityLevel, RefusedError } from './priority-level.ts';
import { planSeats, SeatPool } from './seats.ts';
import { changesObjects, estimateAftermath, estimateSeats, type StoredStats } from './work.ts';

/** What upstream allows by default: 400 reads and 200 writes, shared by all. */
const seatsDefault = 600;
/** A request waits for at most this part of the time that it has. */
const waitPart = 0.25;

const exemptPaths = /^\/(healthz|livez|readyz)(\/|$)/;

export interface FlowControlOptions {
  objects: ObjectReader;
  clock: Clock;
  metrics: MetricsRegistry;
  /** Concurrent requests, all levels together. */
  seats?: number;
  /** Of what a request lists; undefined for what this server does not store. */
  statsOf(info: RequestInfo): StoredStats | undefined;
  /** How many watchers see what a request changes. */
  watchersOf(info: RequestInfo): number;
}

export interface TurnOptions {
  /** The time that the request has. */
  timeoutMs: number;
  /** Its signal ends a wait. */
  client: EnterOptions['client'];
}

export class FlowControl {
  readonly #options: FlowControlOptions;
  readonly #schemas: FlowSchemas;
  readonly #pool: SeatPool;
  readonly #seats: number;
  readonly #levels = new Map<string, PriorityLevel>();
  /** Those of them whose configuration is gone, and that still have requests. */
  readonly #quiescing = new Set<PriorityLevel>();
  /** For requests that match no schema, in case `catch-all` was deleted. */
  readonly #others: PriorityLevel;
  #changes = -1;
  readonly #metrics: FlowMetrics;

  constructor(options: FlowControlOptions) {
    this.#options = options;
    const { objects, metrics, clock, seats = seatsDefault } = options;
    this.#schemas = new FlowSchemas(objects);
    this.#seats = seats;
    this.#pool = new SeatPool(seats);
    this.#metrics = new FlowMetrics(metrics, () => this.#currentLevels());
    const demand = new SeatDemand(clock, undefined);
    this.#others = new PriorityLevel('catch-all', { pool: this.#pool, clock, demand });
    const few = Math.max(1, Math.ceil(seats / 50));
    this.#others.configure(undefined, { nominal: few, lower: few, upper: few });
  }

  /** How the levels, their queues and their requests are doing, as tables for people; by the last part of the path. */
  readonly dumps: Readonly<Record<string, (context: RequestContext) => ApiResponse>> = {
    dump_priority_levels: () =>
      plainText(
        formatLevels(
          this.#currentLevels().map((level) => ({ level, totals: this.#metrics.totalsOf(level.name) })),
        ),
      ),
    dump_queues: () => plainText(formatQueues(this.#currentLevels())),
    dump_requests: ({ request }) => {
      const details = Boolean(request.query.get('includeRequestDetails'));
      return plainText(formatRequests(this.#currentLevels(), { details }));
    },
  };

  #currentLevels(): PriorityLevel[] {
    this.#configure();
    return [...this.#levels.values()];
  }

  /** Runs `work` when it is the request's turn; it may give the seats back before its end. @throws RefusedError */
  async run<T>(
    context: RequestContext,
    { timeoutMs, client }: TurnOptions,
    work: (leaveSeat: () => void) => Promise<T> | T,
  ): Promise<T> {
    const { user, info, headers } = context;
    // What lasts has no seat; a watch has its seats until it has begun.
    const lasts = isLongRunning(context) && info.verb !== 'watch';
    if (lasts) return await work(() => undefined);
    const flow = this.#schemas.flowOf(user, info);
    if (flow) {
      headers['x-kubernetes-pf-flowschema-uid'] = flow.schema.metadata.uid;
      headers['x-kubernetes-pf-prioritylevel-uid'] = flow.level.metadata.uid;
    }
    const level = this.#levelOf(flow);
    const schema = flow?.schema.metadata.name ?? 'catch-all';
    const series = this.#metrics.of(schema, level.name);
    const isExempt = flow?.level.spec.type === 'Exempt' || mustGetIn(context);
    const admission: Admission = {
      ...(isExempt ? { seats: 0 } : this.#workOf(context, level, series)),
      schema,
      distinguisher: flow?.distinguisher ?? '',
      user,
      info,
      arrivedMs: this.#options.clock.now(),
    };
    series.estimated.observe(Math.max(1, admission.seats));
    if (isExempt) {
      level.enterExempt(admission);
      series.dispatched++;
    } else {
      const entering = { flow: flow?.id ?? user.name, admission, client, waitMs: timeoutMs * waitPart };
      context.waited.ms += await this.#enter(level, series, entering);
    }
    const leave = this.#seated(level, series, admission);
    try {
      return await work(leave);
    } finally {
      leave();
    }
  }

  #workOf(
    { info, request }: RequestContext,
    { seatsMax }: PriorityLevel,
    series: FlowSeries,
  ): Pick<Admission, 'seats' | 'aftermath'> {
    if (!changesObjects(info)) {
      const stats = this.#options.statsOf(info);
      return { seats: estimateSeats(info, request.query, { stats, seatsMax }) };
    }
    const watchers = this.#options.watchersOf(info);
    series.watchers.observe(watchers);
    const aftermath = estimateAftermath(watchers, seatsMax);
    return { seats: Math.max(1, aftermath.seats), aftermath };
  }

  /** Counts the request as one that is executed until the function is called that this returns. */
  #seated(level: PriorityLevel, series: FlowSeries, admission: Admission): () => void {
    const { clock } = this.#options;
    const { inflight } = this.#metrics;
    const { seats, info, aftermath } = admission;
    const kind = requestKindOf(info);
    const startMs = clock.monotonic();
    inflight[kind]++;
    series.executing++;
    series.seats += seats;
    let hasSeat = true;
    return () => {
      if (!hasSeat) return;
      hasSeat = false;
      inflight[kind]--;
      series.executing--;
      const end = (held: number) => {
        series.seats -= held;
        level.leave(admission);
      };
      if (aftermath && aftermath.seats > 0) {
        series.seats -= seats - aftermath.seats;
        level.shrink(admission, aftermath.seats);
        clock.after(aftermath.ms, () => end(aftermath.seats));
      } else end(seats);
      const executed = info.verb === 'watch' ? series.watchesBegun : series.executed;
      executed.observe((clock.monotonic() - startMs) / 1000);
    };
  }

  /** Returns how long the request has waited, in milliseconds. */
  async #enter(level: PriorityLevel, series: FlowSeries, options: EnterOptions): Promise<number> {
    const { clock } = this.#options;
    const startMs = clock.monotonic();
    try {
      const wait = level.enter(options);
      if (wait) await this.#metrics.whileWaiting(wait, series, options.admission);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      level.retryAfter.refuse();
      error.retryAfterSeconds = level.retryAfter.seconds;
      series.refusedAfter.observe((clock.monotonic() - startMs) / 1000);
      series.rejected.set(error.reason, (series.rejected.get(error.reason) ?? 0) + 1);
      throw error;
    }
    const waitedMs = clock.monotonic() - startMs;
    series.waited.observe(waitedMs / 1000);
    series.dispatched++;
    return waitedMs;
  }

  #levelOf(flow: Flow | undefined): PriorityLevel {
    this.#configure();
    return this.#levels.get(flow?.level.metadata.name ?? '') ?? this.#others;
  }

  /** Follows the configured levels; one that is gone ends with its last request. */
  #configure(): void {
    const changes = this.#options.objects.changesOf(PriorityLevelConfiguration);
    if (changes !== this.#changes) {
      this.#changes = changes;
      this.#takeConfigurations();
    }
    if (this.#quiescing.size > 0) this.#dropIdle();
  }

  #takeConfigurations(): void {
    const { objects } = this.#options;
    const configurations = [...objects.list<PriorityLevelConfiguration>(PriorityLevelConfiguration)];
    const limits = planSeats(configurations, this.#seats);
    for (const { metadata, spec } of configurations) {
      let level = this.#levels.get(metadata.name);
      if (!level) {
        level = this.#createLevel(metadata.name);
        this.#levels.set(metadata.name, level);
      }
      level.configure(spec.limited, limits.get(metadata.name)!);
      this.#quiescing.delete(level);
    }
    for (const [name, level] of this.#levels) {
      if (limits.has(name)) continue;
      level.isQuiescing = true;
      level.limits = { nominal: 0, lower: 0, upper: this.#seats };
      this.#quiescing.add(level);
    }
  }

  #createLevel(name: string): PriorityLevel {
    const { clock } = this.#options;
    const demand = new SeatDemand(clock, this.#metrics.demandOf(name));
    return new PriorityLevel(name, { pool: this.#pool, clock, demand });
  }

  #dropIdle(): void {
    for (const level of this.#quiescing) {
      if (!level.isIdle) continue;
      this.#quiescing.delete(level);
      this.#pool.remove(level);
      this.#levels.delete(level.name);
      this.#metrics.forgetLevel(level.name);
    }
  }
}

/** Whatever the schemas say: the cluster's own administrators get in when it is overloaded. */
function mustGetIn({ info, user }: RequestContext): boolean {
  return user.groups.includes(mastersGroup) || exemptPaths.test(info.path);
}

function plainText(body: string): ApiResponse {
  return { type: 'raw', status: 200, contentType: 'text/plain; charset=utf-8', body };
}
