/** What is counted of admission under upstream's names: steps, plugins, webhooks and policies. */

import type { Clock } from '../../base/clock.ts';
import type { BoundHistogram, Counter, Histogram, MetricsRegistry } from '../../base/metrics.ts';
import type { AdmissionObserver, AdmissionTimer, AdmissionVerdict } from '../admission/admission.ts';

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
const webhookBuckets = [...buckets, 10, 25];
const policyBuckets = [5e-7, 1e-3, 0.01, 0.1, 1];

export type AdmissionStep = 'admit' | 'validate';
export type WebhookType = 'admit' | 'validating';
export type PolicyAction = 'allow' | 'deny' | 'warn' | 'audit';

/** One call of a webhook. */
export interface WebhookCall {
  name: string;
  type: WebhookType;
  operation: string;
  seconds: number;
  /** Of the webhook's verdict or failure; 200 when it let the request pass, 0 when it is the server that failed. */
  code: number;
  rejected: boolean;
}

/** Why a request was refused at a webhook: it denied the request, or could not be called. */
export type WebhookError = 'no_error' | 'calling_webhook_error' | 'apiserver_internal_error';

/** One judgement of a policy by one of its bindings. */
export interface PolicyCheck {
  policy: string;
  binding: string;
  action: PolicyAction;
  failed: boolean;
  seconds: number;
}

/** Steps of one type and operation that ended alike. */
interface StepSeries {
  step: BoundHistogram;
  plugin(name: string): BoundHistogram;
}

export class AdmissionMetrics implements AdmissionObserver {
  readonly #clock: Clock;
  readonly #step: Histogram;
  readonly #controller: Histogram;
  readonly #series: Record<AdmissionStep, Map<string, VerdictSeries>> = {
    admit: new Map(),
    validate: new Map(),
  };
  readonly #webhook: Histogram;
  readonly #webhookRequests: Counter;
  readonly #rejections: Counter;
  readonly #failedOpen: Counter;
  readonly #checks: Counter;
  readonly #checkDuration: Histogram;

  constructor(metrics: MetricsRegistry, clock: Clock) {
    this.#clock = clock;
    const prefix = 'apiserver_admission';
    this.#step = metrics.histogram(
      `${prefix}_step_admission_duration_seconds`,
      'Admission sub-step latency histogram in seconds, broken out for each operation and step type.',
      buckets,
    );
    this.#controller = metrics.histogram(
      `${prefix}_controller_admission_duration_seconds`,
      'Admission controller latency histogram in seconds, identified by name and broken out for each operation and type.',
      buckets,
    );
    this.#webhook = metrics.histogram(
      `${prefix}_webhook_admission_duration_seconds`,
      'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and type.',
      webhookBuckets,
    );
    this.#webhookRequests = metrics.counter(
      `${prefix}_webhook_request_total`,
      'Admission webhook request total, identified by name and broken out for each type, operation, code and rejection.',
    );
    this.#rejections = metrics.counter(
      `${prefix}_webhook_rejection_count`,
      'Admission webhook rejection count, identified by name and broken out for each type, operation, error type and code.',
    );
    this.#failedOpen = metrics.counter(
      `${prefix}_webhook_fail_open_count`,
      'Admission webhook fail open count, identified by name and broken out for each type.',
    );
    this.#checks = metrics.counter(
      'apiserver_validating_admission_policy_check_total',
      'Validation admission policy check total, labeled by policy and further identified by binding and enforcement action taken.',
    );
    this.#checkDuration = metrics.histogram(
      'apiserver_validating_admission_policy_check_duration_seconds',
      'Validation admission latency for individual validation expressions in seconds, labeled by policy and binding.',
      policyBuckets,
    );
  }

  begin(type: AdmissionStep, operation: string): AdmissionTimer {
    let series = this.#series[type].get(operation);
    if (!series) {
      series = new VerdictSeries((rejected) => this.#bind({ operation, rejected: String(rejected), type }));
      this.#series[type].set(operation, series);
    }
    return new StepTimer(this.#clock, series);
  }

  webhook({ name, type, operation, seconds, code, rejected }: WebhookCall): void {
    const labels = { name, operation, rejected: String(rejected), type };
    this.#webhook.observe(seconds, labels);
    this.#webhookRequests.add(1, { ...labels, code: String(code) });
  }

  /** `code`: as of the call. */
  webhookRejected(
    call: Pick<WebhookCall, 'name' | 'type' | 'operation'>,
    error: WebhookError,
    code: number,
  ): void {
    const { name, type, operation } = call;
    this.#rejections.add(1, { name, type, operation, error_type: error, rejection_code: String(code) });
  }

  webhookFailedOpen(name: string, type: WebhookType): void {
    this.#failedOpen.add(1, { name, type });
  }

  policy({ policy, binding, action, failed, seconds }: PolicyCheck): void {
    const labels = {
      policy,
      policy_binding: binding,
      error_type: failed ? 'invalid_error' : 'no_error',
      enforcement_action: action,
    };
    this.#checks.add(1, labels);
    this.#checkDuration.observe(seconds, labels);
  }

  #bind(labels: { operation: string; rejected: string; type: string }): StepSeries {
    const plugins = new Map<string, BoundHistogram>();
    return {
      step: this.#step.bind(labels),
      plugin: (name) => {
        let bound = plugins.get(name);
        if (!bound) {
          bound = this.#controller.bind({ name, ...labels });
          plugins.set(name, bound);
        }
        return bound;
      },
    };
  }
}

/** Series are there from the first that ends so. */
class VerdictSeries {
  readonly #bind: (rejected: boolean) => StepSeries;
  #admitted: StepSeries | undefined;
  #rejected: StepSeries | undefined;

  constructor(bind: (rejected: boolean) => StepSeries) {
    this.#bind = bind;
  }

  of(verdict: AdmissionVerdict): StepSeries {
    if (verdict === 'admitted') {
      this.#admitted ??= this.#bind(false);
      return this.#admitted;
    }
    this.#rejected ??= this.#bind(true);
    return this.#rejected;
  }
}

/** Every write makes two of them. */
class StepTimer implements AdmissionTimer {
  readonly #clock: Clock;
  readonly #series: VerdictSeries;
  readonly #startMs: number;
  #lastMs: number;

  constructor(clock: Clock, series: VerdictSeries) {
    this.#clock = clock;
    this.#series = series;
    this.#startMs = clock.monotonic();
    this.#lastMs = this.#startMs;
  }

  plugin(name: string, verdict: AdmissionVerdict): void {
    const nowMs = this.#clock.monotonic();
    this.#series
      .of(verdict)
      .plugin(name)
      .observe((nowMs - this.#lastMs) / 1000);
    this.#lastMs = nowMs;
  }

  step(verdict: AdmissionVerdict): void {
    this.#series.of(verdict).step.observe((this.#clock.monotonic() - this.#startMs) / 1000);
  }
}
