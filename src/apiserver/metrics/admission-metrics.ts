/** What is counted of admission under upstream's names: steps, plugins, webhooks and policies. */

import type { Clock } from '../../base/clock.ts';
import type { BoundHistogram, Counter, Histogram, MetricsRegistry } from '../../base/metrics.ts';
import type { AdmissionObserver, AdmissionVerdict } from '../admission/admission.ts';

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
  /** Of the webhook's verdict; 200 when it let the request pass. */
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
  readonly #series = new Map<string, StepSeries>();
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

  begin(type: AdmissionStep, operation: string) {
    const startMs = this.#clock.monotonic();
    let lastMs = startMs;
    const admitted = this.#seriesOf(type, operation, 'admitted');
    const seriesOf = (verdict: AdmissionVerdict) =>
      verdict === 'admitted' ? admitted : this.#seriesOf(type, operation, verdict);
    return {
      /** A plugin begins when the one before it has ended. */
      plugin: (name: string, verdict: AdmissionVerdict) => {
        const nowMs = this.#clock.monotonic();
        seriesOf(verdict)
          .plugin(name)
          .observe((nowMs - lastMs) / 1000);
        lastMs = nowMs;
      },
      step: (verdict: AdmissionVerdict) => {
        const seconds = (this.#clock.monotonic() - startMs) / 1000;
        seriesOf(verdict).step.observe(seconds);
      },
    };
  }

  webhook({ name, type, operation, seconds, code, rejected }: WebhookCall): void {
    const labels = { name, operation, rejected: String(rejected), type };
    this.#webhook.observe(seconds, labels);
    this.#webhookRequests.add(1, { ...labels, code: String(code) });
  }

  /** `code`: of the webhook's answer; 0 when there is none. */
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

  #seriesOf(type: AdmissionStep, operation: string, verdict: AdmissionVerdict): StepSeries {
    const key = `${type} ${operation} ${verdict}`;
    let series = this.#series.get(key);
    if (!series) {
      const labels = { operation, rejected: String(verdict === 'rejected'), type };
      const plugins = new Map<string, BoundHistogram>();
      series = {
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
      this.#series.set(key, series);
    }
    return series;
  }
}
