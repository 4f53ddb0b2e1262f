/** Whether an aggregated server can be reached, as the condition `Available` of its APIService. */
import { isDeepStrictEqual } from 'node:util';
import { type APIService, EndpointSlice, Service } from '../../api/resources.gen.ts';
import type { APIServiceCondition } from '../../api/types/apiregistration-v1.gen.ts';
import { serviceNameLabel } from '../../api/well-known.ts';
import type { ObjectReader } from '../object-reader.ts';

export type Availability = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>;

const localAvailability: Availability = {
  status: 'True',
  reason: 'Local',
  message: 'Local APIServices are always available',
};

/** The condition, if it is known without a request to the server; undefined when one is needed. */
export function availabilityFromObjects(
  objects: ObjectReader,
  { spec }: APIService,
): Availability | undefined {
  if (!spec.service) return localAvailability;
  const { namespace = '', name = '', port = 443 } = spec.service;
  const where = `service/${name} in ${JSON.stringify(namespace)}`;
  const service = objects.get(Service, namespace, name);
  if (!service) return unavailable('ServiceNotFound', `${where} is not present`);
  const { type = 'ClusterIP', ports = [] } = service.spec ?? {};
  if (type !== 'ClusterIP') return undefined;
  const servicePort = ports.find((candidate) => candidate.port === port);
  if (!servicePort) return unavailable('ServicePortError', `${where} is not listening on port ${port}`);
  const portName = servicePort.name ?? '';
  const slices = [...objects.list(EndpointSlice, namespace)].filter(
    ({ metadata }) => metadata.labels?.[serviceNameLabel] === name,
  );
  if (slices.length === 0) return unavailable('EndpointsNotFound', `cannot find endpointslices for ${where}`);
  if (slices.some((slice) => hasAddress(slice, portName))) return undefined;
  const what = `have no addresses with port name ${JSON.stringify(portName)}`;
  return unavailable('MissingEndpoints', `endpointslices for ${where} ${what}`);
}

/** Both lists are null where the slice has none. */
function hasAddress({ ports, endpoints }: EndpointSlice, portName: string): boolean {
  return (
    (ports ?? []).some(({ name = '' }) => name === portName) &&
    (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false)
  );
}

export function unavailable(reason: string, message: string): Availability {
  return { status: 'False', reason, message };
}

export const passed: Availability = { status: 'True', reason: 'Passed', message: 'all checks passed' };

/** The conditions with `Available` brought up to date; the very same array when nothing changes. */
export function withAvailability(
  conditions: readonly APIServiceCondition[] = [],
  availability: Availability,
  now: string,
): readonly APIServiceCondition[] {
  const old = conditions.find(({ type }) => type === 'Available');
  const { lastTransitionTime = now, ...before } = old ?? {};
  const next = { type: 'Available', ...availability };
  if (isDeepStrictEqual(before, next)) return conditions;
  const time = old?.status === availability.status ? lastTransitionTime : now;
  return [...conditions.filter(({ type }) => type !== 'Available'), { ...next, lastTransitionTime: time }];
}

export function isAvailable(service: APIService): boolean {
  return (
    service.status?.conditions?.some(({ type, status }) => type === 'Available' && status === 'True') ?? false
  );
}
