/** By way of whom a request came, as proxies say. */
import { isIP } from 'node:net';
import type { ApiRequest } from '../request.ts';

/** `X-Forwarded-For` of a request that is passed on: all through whom it came, the last of them at the end. */
export function forwardedFor(request: Pick<ApiRequest, 'header' | 'remoteAddress'>): string {
  return [request.header('x-forwarded-for'), request.remoteAddress].filter(Boolean).join(', ');
}

/** Where a request is said to come from, and where it comes from: the last cannot be feigned. */
export function sourceAddresses(request: Pick<ApiRequest, 'header' | 'remoteAddress'>): string[] {
  const forwarded = (request.header('x-forwarded-for') ?? '').split(',').map((part) => part.trim());
  const addresses = forwarded.filter((part) => isIP(part));
  const real = request.header('x-real-ip') ?? '';
  if (isIP(real) && !addresses.includes(real)) addresses.push(real);
  if (addresses.at(-1) !== request.remoteAddress) addresses.push(request.remoteAddress);
  return addresses;
}
