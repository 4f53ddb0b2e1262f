/** `/healthz`, `/livez` and `/readyz`: the checks by name, one by one or all together. */

import { stabilityOf } from '../../api/component-base/kubernetes-metrics.ts';
import type { Clock } from '../../base/clock.ts';
import { type Counter, type Gauge, MetricsRegistry } from '../../base/metrics.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { RequestHandler } from '../handler.ts';
import { pageNotFound } from '../plain-answers.ts';
import type { ApiResponse, RequestContext } from '../request.ts';

export interface HealthCheck {
  name: string;
  /** Undefined or a rejection-free resolve when all is well; the reason otherwise. */
  check(): Promise<string | undefined> | string | undefined;
  /** Only asked by /readyz. */
  onlyReadiness?: boolean;
}

const plainText = 'text/plain; charset=utf-8';
/** A check that takes longer has failed. */
const checkTimeoutMs = 10_000;

export function registerHealth(handler: RequestHandler, checks: readonly HealthCheck[], clock: Clock): void {
  const levels = new ServiceLevels();
  handler.addPath('/metrics/slis', () => Promise.resolve(levels.answer()));
  for (const endpoint of ['healthz', 'livez', 'readyz']) {
    const asked = checks.filter((check) => endpoint === 'readyz' || !check.onlyReadiness);
    handler.addPath(`/${endpoint}`, (context) => answerAll(context, endpoint, asked, { clock, levels }));
    handler.addPrefix(`/${endpoint}/`, (context) => answerOne(context, endpoint, asked, clock));
  }
}

/** The results of the checks as metrics, under upstream's names and at upstream's path, apart from the rest. */
class ServiceLevels {
  readonly #metrics = new MetricsRegistry({ stabilityOf });
  readonly #last: Gauge;
  readonly #total: Counter;

  constructor() {
    const help = 'This metric records the result of a single healthcheck.';
    this.#last = this.#metrics.gauge('kubernetes_healthcheck', help);
    this.#total = this.#metrics.counter(
      'kubernetes_healthchecks_total',
      'This metric records the results of all healthcheck.',
    );
  }

  observe(name: string, type: string, isWell: boolean): void {
    this.#last.set(isWell ? 1 : 0, { name, type });
    this.#total.add(1, { name, status: isWell ? 'success' : 'error', type });
  }

  answer(): ApiResponse {
    return {
      type: 'raw',
      status: 200,
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: this.#metrics.expose(),
    };
  }
}

async function answerAll(
  { request }: RequestContext,
  endpoint: string,
  checks: readonly HealthCheck[],
  { clock, levels }: { clock: Clock; levels: ServiceLevels },
): Promise<ApiResponse> {
  const excluded = new Set(request.query.getAll('exclude'));
  const lines: string[] = [];
  let isFailed = false;
  for (const check of checks) {
    if (excluded.has(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    const problem = await problemOf(check, clock);
    if (problem !== undefined) isFailed = true;
    levels.observe(check.name, endpoint, problem === undefined);
    lines.push(problem === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`);
  }
  const unknown = [...excluded].filter((name) => !checks.some((check) => check.name === name));
  if (unknown.length > 0) {
    const names = unknown.map((name) => JSON.stringify(name)).join(',');
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
  }
  if (isFailed) return text(500, `${lines.join('\n')}\n${endpoint} check failed\n`);
  if (!request.query.has('verbose')) return text(200, 'ok');
  return text(200, `${lines.join('\n')}\n${endpoint} check passed\n`);
}

async function answerOne(
  { info }: RequestContext,
  endpoint: string,
  checks: readonly HealthCheck[],
  clock: Clock,
): Promise<ApiResponse> {
  const name = info.path.slice(endpoint.length + 2);
  const check = checks.find((candidate) => candidate.name === name);
  if (!check) return pageNotFound;
  const problem = await problemOf(check, clock);
  return problem === undefined
    ? { type: 'raw', status: 200, contentType: plainText, body: 'ok' }
    : text(500, `internal server error: ${problem}\n`);
}

/** Undefined when all is well; a check that takes too long has failed. */
export async function problemOf(check: HealthCheck, clock: Clock): Promise<string | undefined> {
  const stop = new AbortController();
  const tooSlow = clock.sleep(checkTimeoutMs, stop.signal).then(
    () => 'the check did not answer in time',
    () => undefined,
  );
  try {
    return await Promise.race([Promise.resolve(check.check()), tooSlow]);
  } catch (error) {
    return messageOf(error);
  } finally {
    stop.abort();
  }
}

function text(status: number, body: string): ApiResponse {
  return {
    type: 'raw',
    status,
    contentType: plainText,
    body,
    headers: { 'x-content-type-options': 'nosniff' },
  };
}
