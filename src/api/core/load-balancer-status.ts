/** Validation of where load balancers answer: in the status of Services and of Ingresses. */
import { isIP } from 'node:net';
import { ipAddress } from '../validation/addresses.ts';
import { type FieldErrors, invalidValue } from '../validation/field-error.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { subdomainProblems } from '../validation/names.ts';

interface Point {
  ip?: string;
  hostname?: string;
  ipMode?: string;
}

export function* validateLoadBalancerStatus(
  status: { loadBalancer?: { ingress?: Point[] } } | undefined,
): FieldErrors {
  for (const [index, { ip, hostname, ipMode }] of (status?.loadBalancer?.ingress ?? []).entries()) {
    const path = `status.loadBalancer.ingress[${index}]`;
    if (ip) yield* ipAddress(ip, `${path}.ip`);
    if (hostname) {
      yield* invalidFor(`${path}.hostname`, hostname, subdomainProblems(hostname));
      if (isIP(hostname) !== 0)
        yield invalidValue(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address');
    }
    yield* oneOf(ipMode, ['Proxy', 'VIP'], `${path}.ipMode`, 'optional');
  }
}
