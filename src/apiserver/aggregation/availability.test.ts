import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import type { APIService } from '../../api/resources.gen.ts';
import type { ObjectReader } from '../object-reader.ts';
import { availabilityFromObjects } from './availability.ts';

const at = { namespace: 'shop', name: 'flunders' };
const aggregated = { spec: { service: at } } as APIService;

function reader(objects: readonly object[]): ObjectReader {
  const all = objects as readonly KubeObject[];
  return {
    get: ({ kind }, _namespace, name) =>
      all.find((object) => object.kind === kind && object.metadata.name === name),
    list: ({ kind }) => all.filter((object) => object.kind === kind),
    changesOf: () => 0,
  } as ObjectReader;
}

const service = (spec: object) => ({ kind: 'Service', metadata: at, spec });
const clusterIp = service({ type: 'ClusterIP', ports: [{ name: 'api', port: 443 }] });
const slice = (port: string, ready: boolean) => ({
  kind: 'EndpointSlice',
  metadata: { name: port, namespace: 'shop', labels: { 'kubernetes.io/service-name': 'flunders' } },
  ports: [{ name: port, port: 8443 }],
  endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready } }],
});

const where = 'service/flunders in "shop"';
const none = `endpointslices for ${where} have no addresses with port name "api"`;
const cases: [what: string, objects: object[], reason: string | undefined, message?: string][] = [
  ['without a service', [], 'ServiceNotFound', `${where} is not present`],
  [
    'of another port',
    [service({ ports: [{ port: 80 }] })],
    'ServicePortError',
    `${where} is not listening on port 443`,
  ],
  ['without slices', [clusterIp], 'EndpointsNotFound', `cannot find endpointslices for ${where}`],
  [
    'whose slice has neither endpoints nor ports yet',
    [clusterIp, { ...slice('api', true), endpoints: null, ports: null }],
    'MissingEndpoints',
    none,
  ],
  ['with endpoints that are not ready', [clusterIp, slice('api', false)], 'MissingEndpoints', none],
  ['with endpoints of another port', [clusterIp, slice('web', true)], 'MissingEndpoints', none],
  ['with an endpoint', [clusterIp, slice('api', true)], undefined],
  ['outside of the cluster', [service({ type: 'ExternalName', externalName: 'api.example.com' })], undefined],
];

for (const [what, objects, reason, message] of cases)
  test(`a server ${what} ${reason ? `is not available: ${reason}` : 'must be asked'}`, () => {
    const found = availabilityFromObjects(reader(objects), aggregated);
    assert.deepEqual(found, reason && { status: 'False', reason, message });
  });
