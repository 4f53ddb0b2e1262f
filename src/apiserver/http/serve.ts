/** One request over the network from its head to its answer. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { RequestHandler } from '../handler.ts';
import type { RequestMetrics } from '../metrics/request-metrics.ts';
import type { Http1Request, Http2Request } from './request/http-request.ts';
import type { HttpResponse } from './response/http-response.ts';
import { respond, respondWithError } from './response/respond.ts';

export interface ServeOptions {
  clock: Clock;
  logger: Logger;
  metrics: RequestMetrics;
}

/** Never throws: whatever goes wrong becomes the answer, or ends the connection when an answer has begun. */
export function serveHttp(
  handler: RequestHandler,
  request: Http1Request | Http2Request,
  response: HttpResponse,
  options: ServeOptions,
): void {
  const context = handler.contextOf(request);
  const end = options.metrics.begin(context);
  const run = async () => {
    try {
      const answer = await handler.answer(context);
      const sent = await respond(context, answer, response, {
        clock: options.clock,
        onAborted: (broken) => options.metrics.aborted(broken),
        onEvents: (...sent) => options.metrics.eventsSent(...sent),
        onSlowWatcher: (slow) => {
          const { info, user } = slow;
          options.metrics.watcherCutOff(slow);
          options.logger.warn('a watcher did not keep up and was cut off', {
            path: info.path,
            user: user.name,
          });
        },
      });
      end(sent.status, sent.sizeBytes);
    } catch (error) {
      end(respondWithError(context, error, response), 0);
      // An answer that lasts and could not begin is over.
      context.whenOver?.();
    }
  };
  run().catch((error) => options.logger.error('an answer could not be sent', { path: request.path, error }));
}
