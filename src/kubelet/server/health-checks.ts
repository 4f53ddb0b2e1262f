/** The results of the checks of `/healthz`, for `/metrics/slis`: a kubelet that responds is healthy. */
import { stabilityOf } from '../../api/component-base/kubernetes-metrics.ts';
import { type Counter, type Gauge, MetricsRegistry } from '../../base/metrics.ts';

const names = ['device-plugin', 'log', 'ping', 'syncloop'];

export class HealthChecks {
  readonly #metrics = new MetricsRegistry({ stabilityOf });
  readonly #last: Gauge;
  readonly #total: Counter;

  constructor() {
    this.#last = this.#metrics.gauge(
      'kubernetes_healthcheck',
      'This metric records the result of a single healthcheck.',
    );
    this.#total = this.#metrics.counter(
      'kubernetes_healthchecks_total',
      'This metric records the results of all healthcheck.',
    );
  }

  /** Absent: all of them were requested. */
  observe(name: string | undefined): void {
    for (const each of name ? [name] : names) {
      this.#last.set(1, { name: each, type: 'healthz' });
      this.#total.add(1, { name: each, status: 'success', type: 'healthz' });
    }
  }

  expose(): string {
    return this.#metrics.expose();
  }
}
