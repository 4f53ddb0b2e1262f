/** `X-Forwarded-For` of a request that is passed on: all through whom it came, the last of them at the end. */
import type { ApiRequest } from '../request.ts';

export function forwardedFor(request: Pick<ApiRequest, 'header' | 'remoteAddress'>): string {
  return [request.header('x-forwarded-for'), request.remoteAddress].filter(Boolean).join(', ');
}
