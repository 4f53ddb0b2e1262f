/** The option `--load-balancer-pool` of commands that start a control plane. */
import { isIPv4 } from 'node:net';
import { ipv4ToNumber } from '../../base/text/ipv4.ts';
import type { LoadBalancerPool } from '../../host/network/load-balancer-pool.ts';
import { UsageError } from '../context.ts';

export const poolOption = { 'load-balancer-pool': { type: 'string' } } as const;

/** @throws UsageError unless it is two addresses, the lower one first */
export function parsePool(text: string | undefined): LoadBalancerPool | undefined {
  if (text === undefined) return undefined;
  const [first = '', last = '', ...rest] = text.split('-');
  const isRange = rest.length === 0 && [first, last].every(isIPv4);
  if (isRange && ipv4ToNumber(first) <= ipv4ToNumber(last)) return { first, last };
  throw new UsageError(`--load-balancer-pool ${text} is not FIRST-LAST, two addresses of IPv4`);
}
