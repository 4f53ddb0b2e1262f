import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../api/resources.gen.ts';
import { serviceUrls } from './service.ts';

test('a service has an address per port, of its load balancer first, then of every node', () => {
  const service = (spec: object, ingress?: object[]) =>
    ({ metadata: { name: 'web' }, spec, status: { loadBalancer: { ingress } } }) as Service;
  const urls = (object: Service) => serviceUrls(object, ['172.30.1.2', '172.30.1.3']).map(({ url }) => url);
  assert.deepEqual(urls(service({ type: 'ClusterIP', ports: [{ port: 80 }] })), []);
  assert.deepEqual(urls(service({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] })), [
    'http://172.30.1.2:30080',
    'http://172.30.1.3:30080',
  ]);
  const balanced = {
    type: 'LoadBalancer',
    ports: [{ port: 80 }, { port: 443 }, { port: 53, protocol: 'UDP' }],
  };
  assert.deepEqual(urls(service(balanced, [{ ip: '172.30.1.128' }])), [
    'http://172.30.1.128',
    'https://172.30.1.128',
    'udp://172.30.1.128:53',
  ]);
});
