/** The time that an ordinary request has: a minute, or less if the client says so. What lasts by nature has no end. */
import { badRequest, requestTimeout } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import { parseGoDuration } from '../../base/text/go-duration.ts';
import type { RequestContext } from '../request.ts';

/** Upstream's `--request-timeout`. */
export const requestTimeoutMsDefault = 60_000;

const longRunningSubresources = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);

export function isLongRunning({ request, info }: Pick<RequestContext, 'request' | 'info'>): boolean {
  return (
    info.verb === 'watch' || request.upgrade !== undefined || longRunningSubresources.has(info.subresource)
  );
}

/** @throws StatusError 400 when the client's `timeout` is no duration. */
export function timeoutMsOf(query: URLSearchParams, maxMs: number): number {
  const text = query.get('timeout');
  if (!text) return maxMs;
  const wanted = parseGoDuration(text);
  if (typeof wanted !== 'number')
    throw badRequest(`invalid timeout specified in the request URL - ${wanted.error}`);
  return wanted > 0 && wanted < maxMs ? wanted : maxMs;
}

/** Of an answer that is not there in time. */
export const lateMessage = 'request did not complete within the allotted timeout';

/**
 * The result of `work`, if it arrives in time. Late work is not undone, and its outcome is dropped.
 * @throws StatusError 504
 */
export function withinTime<T>(clock: Clock, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => reject(requestTimeout(lateMessage)));
    work().then(resolve, reject).finally(timer.cancel);
  });
}
