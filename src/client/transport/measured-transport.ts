/** Counts a client's requests under client-go's metric names. */
import type { Clock } from '../../base/clock.ts';
import {
  type BoundCounter,
  type BoundHistogram,
  type MetricsRegistry,
  metricsPerRegistry,
} from '../../base/metrics.ts';
import type { Transport } from './transport.ts';

const durationBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];
/** Where a server could not be reached at all. */
const noAnswer = '<error>';

/** One set for all clients of a registry. */
const requestCountsOf = metricsPerRegistry((metrics) => ({
  requests: metrics.counter(
    'rest_client_requests_total',
    'Number of HTTP requests, partitioned by status code, method, and host.',
  ),
  durations: metrics.histogram(
    'rest_client_request_duration_seconds',
    'Request latency in seconds. Broken down by verb, and host.',
    durationBuckets,
  ),
}));

/** `host`: how the server is called in the labels. */
export function measuredTransport<T extends Transport>(
  transport: T,
  host: string,
  { metrics, clock }: { metrics: MetricsRegistry; clock: Clock },
): T {
  const { requests, durations } = requestCountsOf(metrics);
  const series = new Map<string, { count: BoundCounter; duration: BoundHistogram }>();
  const seriesOf = (method: string, code: string) => {
    const key = `${method} ${code}`;
    let bound = series.get(key);
    if (!bound) {
      const count = requests.bind({ code, host, method });
      bound = { count, duration: durations.bind({ host, verb: method }) };
      series.set(key, bound);
    }
    return bound;
  };
  return {
    ...transport,
    async send(request) {
      const startMs = clock.monotonic();
      let code = noAnswer;
      try {
        const answer = await transport.send(request);
        code = String(answer.status);
        return answer;
      } finally {
        const { count, duration } = seriesOf(request.method, code);
        count.add(1);
        duration.observe((clock.monotonic() - startMs) / 1000);
      }
    },
  };
}
