/** What is counted of configured authorizers, under upstream's names. */
import type { BoundCounter, Counter, Histogram, MetricsRegistry } from '../../base/metrics.ts';

const conditionBuckets = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How a call of a webhook ended. */
export type CallResult = 'success' | 'error' | 'timeout';

export class AuthorizationMetrics {
  readonly #decisions: Counter;
  readonly #calls: Counter;
  readonly #callSeconds: Histogram;
  readonly #failedOpen: Counter;
  readonly #conditionErrors: Counter;
  readonly #conditionExclusions: Counter;
  readonly #conditionSeconds: Histogram;

  constructor(metrics: MetricsRegistry) {
    const prefix = 'apiserver_authorization';
    this.#decisions = metrics.counter(
      `${prefix}_decisions_total`,
      'Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.',
    );
    this.#calls = metrics.counter(
      `${prefix}_webhook_evaluations_total`,
      'Round-trips to authorization webhooks.',
    );
    this.#callSeconds = metrics.histogram(
      `${prefix}_webhook_duration_seconds`,
      'Request latency in seconds.',
      durationBuckets,
    );
    this.#failedOpen = metrics.counter(
      `${prefix}_webhook_evaluations_fail_open_total`,
      'NoOpinion results due to webhook timeout or error.',
    );
    this.#conditionErrors = metrics.counter(
      `${prefix}_match_condition_evaluation_errors_total`,
      'Total number of errors when an authorization webhook encounters a match condition error split by authorizer type and name.',
    );
    this.#conditionExclusions = metrics.counter(
      `${prefix}_match_condition_exclusions_total`,
      'Total number of exclusions when an authorization webhook is skipped because match conditions exclude it.',
    );
    this.#conditionSeconds = metrics.histogram(
      `${prefix}_match_condition_evaluation_seconds`,
      'Authorization match condition evaluation time in seconds, split by authorizer type and name.',
      conditionBuckets,
    );
  }

  /** Of an authorizer that decides; its series begin with its first decisions. */
  decisions(type: string, name: string): (decision: 'allowed' | 'denied') => void {
    const bound = new Map<string, BoundCounter>();
    return (decision) => {
      const counter = bound.get(decision) ?? this.#decisions.bind({ type, name, decision });
      bound.set(decision, counter);
      counter.add(1);
    };
  }

  called(name: string, result: CallResult, seconds: number): void {
    this.#calls.add(1, { name, result });
    this.#callSeconds.observe(seconds, { name, result });
  }

  failedOpen(name: string, result: CallResult): void {
    this.#failedOpen.add(1, { name, result });
  }

  conditions(name: string, outcome: 'match' | 'exclusion' | 'error', seconds: number): void {
    const labels = { type: 'Webhook', name };
    this.#conditionSeconds.observe(seconds, labels);
    if (outcome === 'exclusion') this.#conditionExclusions.add(1, labels);
    if (outcome === 'error') this.#conditionErrors.add(1, labels);
  }
}
