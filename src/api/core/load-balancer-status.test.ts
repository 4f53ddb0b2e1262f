import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateLoadBalancerStatus } from './load-balancer-status.ts';

test('an address of a load balancer is one, in the words for all addresses', () => {
  const errors = (ip: string) =>
    [...validateLoadBalancerStatus({ loadBalancer: { ingress: [{ ip }] } })].map(({ text }) => text);
  assert.deepEqual(errors('10.0.0.1'), []);
  const [text] = errors('x');
  assert.match(text!, /must be a valid IP address, \(e\.g\. 10\.9\.8\.7 or 2001:db8::ffff\)$/);
});
