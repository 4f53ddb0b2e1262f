/** Which service an EndpointSlice belongs to, and the index that finds a service's slices; for proxy and DNS. */
import { EndpointSlice } from '../api/resources.gen.ts';
import { serviceNameLabel } from '../api/well-known.ts';
import type { Informer, InformerFactory } from '../client/informers/informer.ts';

const indexName = 'network-service';
const indexValues = (slice: EndpointSlice) => [serviceKeyOf(slice)];

/** Key of the service whose endpoints the slice holds. */
export function serviceKeyOf(slice: EndpointSlice): string {
  return `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`;
}

export interface ServiceSlices {
  informer: Informer<EndpointSlice>;
  /** Slices of one service, by the service's key. */
  of(serviceKey: string): EndpointSlice[];
}

export function serviceSlices(informers: InformerFactory): ServiceSlices {
  const informer = informers.of(EndpointSlice);
  informer.addIndex(indexName, indexValues);
  return { informer, of: (serviceKey) => [...informer.byIndex(indexName, serviceKey)] };
}
