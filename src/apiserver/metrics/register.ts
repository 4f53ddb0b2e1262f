/** `/metrics`: the metrics of the whole process, including the components in it. */
import { APIService } from '../../api/resources.gen.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { collectProcess } from '../../base/process-metrics.ts';
import { isAvailable } from '../aggregation/availability.ts';
import type { RequestHandler } from '../handler.ts';
import type { ObjectReader } from '../object-reader.ts';

/** `refresh` updates values that must be read elsewhere. */
export function registerMetrics(
  handler: RequestHandler,
  metrics: MetricsRegistry,
  refresh: () => Promise<void>,
): void {
  collectProcess(metrics);
  handler.addPath('/metrics', async () => {
    await refresh();
    return {
      type: 'raw',
      status: 200,
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: metrics.expose(),
    };
  });
}

/** Of the groups that other servers answer for. */
export function collectApiServices(metrics: MetricsRegistry, objects: ObjectReader): void {
  metrics.collected('aggregator_unavailable_apiservice', 'APIServices that are not available now.', () =>
    [...objects.list<APIService>(APIService)].map((service) => ({
      labels: { name: service.metadata.name },
      value: isAvailable(service) ? 0 : 1,
    })),
  );
}
