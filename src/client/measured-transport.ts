/** Counts a client's requests under the names that client-go gives them. */
import type { Clock } from '../base/clock.ts';
import type { Counter, Histogram, MetricsRegistry } from '../base/metrics.ts';
import type { Transport } from './transport.ts';

const durationBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];
/** Where a server could not be reached at all. */
const noAnswer = '<error>';

interface RequestCounts {
  requests: Counter;
  durations: Histogram;
}

const perRegistry = new WeakMap<MetricsRegistry, RequestCounts>();

/** `host`: how the server is called in the labels. */
export function measuredTransport<T extends Transport>(
  transport: T,
  host: string,
  { metrics, clock }: { metrics: MetricsRegistry; clock: Clock },
): T {
  const { requests, durations } = countsOf(metrics);
  return {
    ...transport,
    async send(request) {
      const { method } = request;
      const startMs = clock.monotonic();
      let code = noAnswer;
      try {
        const answer = await transport.send(request);
        code = String(answer.status);
        return answer;
      } finally {
        requests.add(1, { code, host, method });
        durations.observe((clock.monotonic() - startMs) / 1000, { host, verb: method });
      }
    },
  };
}

/** One set for all clients of a registry. */
function countsOf(metrics: MetricsRegistry): RequestCounts {
  let counts = perRegistry.get(metrics);
  if (!counts) {
    counts = {
      requests: metrics.counter(
        'rest_client_requests_total',
        'Number of HTTP requests, partitioned by status code, method, and host.',
      ),
      durations: metrics.histogram(
        'rest_client_request_duration_seconds',
        'Request latency in seconds. Broken down by verb, and host.',
        durationBuckets,
      ),
    };
    perRegistry.set(metrics, counts);
  }
  return counts;
}
