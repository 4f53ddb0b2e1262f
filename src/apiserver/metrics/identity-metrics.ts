/** What is counted of authentication and authorization under upstream's names; requests within this process are not. */
import type { Clock } from '../../base/clock.ts';
import {
  type BoundHistogram,
  exponentialBuckets,
  type Histogram,
  type MetricsRegistry,
} from '../../base/metrics.ts';
import type { Decision } from '../authorization/authorizer.ts';
import type { RequestContext, UserInfo } from '../request.ts';

const durationBuckets = exponentialBuckets(0.001, 2, 15);
const hour = 3600;
const day = 24 * hour;
const expirationBuckets = [
  ...[0, hour / 2, hour, 2 * hour, 6 * hour, 12 * hour],
  ...[day, 2 * day, 4 * day, 7 * day, 30 * day, 90 * day, 180 * day, 360 * day],
];
/** Users that are counted by name; there may be any number of others. */
const namedUsers = new Set([
  'admin',
  'client',
  'kube_proxy',
  'kubelet',
  'system:serviceaccount:kube-system:default',
]);

/** Attempts that ended alike. */
interface Attempts {
  count: number;
  duration: BoundHistogram;
}

export class IdentityMetrics {
  readonly #clock: Clock;
  readonly #authenticated: AttemptSeries;
  readonly #authorized: AttemptSeries;
  readonly #expirations: BoundHistogram;
  readonly #users = new Map<string, number>();

  constructor(metrics: MetricsRegistry, clock: Clock) {
    this.#clock = clock;
    this.#authenticated = new AttemptSeries(metrics, 'authentication', 'authentication_attempts');
    this.#authorized = new AttemptSeries(metrics, 'authorization', 'authorization_attempts_total');
    const expirations = metrics.histogram(
      'apiserver_client_certificate_expiration_seconds',
      'Distribution of the remaining lifetime on the certificate used to authenticate a request.',
      expirationBuckets,
    );
    this.#expirations = expirations.bind({});
    metrics.collected(
      'authenticated_user_requests',
      'Counter of authenticated requests broken out by username.',
      () => [...this.#users].map(([username, value]) => ({ labels: { username }, value })),
      'counter',
    );
  }

  async authenticating({ request }: RequestContext, work: () => Promise<UserInfo>): Promise<UserInfo> {
    const startMs = this.#clock.monotonic();
    let result = 'failure';
    try {
      const user = await work();
      result = 'success';
      this.#countUser(user.name);
      return user;
    } finally {
      this.#authenticated.ended(result, this.#clock.monotonic() - startMs);
      const certificate = request.clientCertificate?.();
      if (certificate) this.#expirations.observe((certificate.validToMs - this.#clock.now()) / 1000);
    }
  }

  authorizing(
    { request }: RequestContext,
    work: () => Decision | Promise<Decision>,
  ): Decision | Promise<Decision> {
    return request.localUser ? work() : this.#measured(work);
  }

  async #measured(work: () => Decision | Promise<Decision>): Promise<Decision> {
    const startMs = this.#clock.monotonic();
    const decision = await work();
    const result = decision.allowed
      ? 'allowed'
      : decision.failed
        ? 'error'
        : decision.denied
          ? 'denied'
          : 'no-opinion';
    this.#authorized.ended(result, this.#clock.monotonic() - startMs);
    return decision;
  }

  #countUser(name: string): void {
    const shown = namedUsers.has(name) ? name : name.includes('@') ? 'email_id' : 'other';
    this.#users.set(shown, (this.#users.get(shown) ?? 0) + 1);
  }
}

class AttemptSeries {
  readonly #durations: Histogram;
  readonly #byResult = new Map<string, Attempts>();

  constructor(metrics: MetricsRegistry, what: string, counterName: string) {
    this.#durations = metrics.histogram(
      `${what}_duration_seconds`,
      `${what} duration in seconds broken out by result.`,
      durationBuckets,
    );
    metrics.collected(
      counterName,
      `Counter of ${what} attempts broken down by result.`,
      () => [...this.#byResult].map(([result, { count }]) => ({ labels: { result }, value: count })),
      'counter',
    );
  }

  ended(result: string, tookMs: number): void {
    let attempts = this.#byResult.get(result);
    if (!attempts) {
      attempts = { count: 0, duration: this.#durations.bind({ result }) };
      this.#byResult.set(result, attempts);
    }
    attempts.count++;
    attempts.duration.observe(tookMs / 1000);
  }
}
