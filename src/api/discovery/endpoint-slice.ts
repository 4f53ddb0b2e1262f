/** EndpointSlices. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { KubeObject } from '../meta.ts';
import { EndpointSlice } from '../resources.gen.ts';
import type { Endpoint, EndpointHints, EndpointPort } from '../types/discovery-v1.gen.ts';
import type { Endpoint as OldEndpoint } from '../types/discovery-v1beta1.gen.ts';
import { addressWarnings, ipv4Address, ipv6Address, nonSpecialAddress } from '../validation/addresses.ts';
import { duplicate, type FieldErrors, required, tooMany } from '../validation/field-error.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import {
  dnsLabelProblems,
  labelValueProblems,
  qualifiedNameProblems,
  subdomainProblems,
} from '../validation/names.ts';
import { sliceManagerLabel, zoneLabel } from '../well-known.ts';

const endpointsMax = 1000;
const addressesMax = 100;
const portsMax = 100;
const hintsMax = 8;
const shownMax = 3;

/** Controllers of Kubernetes itself: they write addresses as they should be. */
const ownManagers = new Set(['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']);

export const endpointSliceKind = defineKind(EndpointSlice, {
  hasGeneration: true,
  columns: [
    nameColumn,
    column('AddressType', ({ addressType }) => addressType),
    column('Ports', portsCell),
    column('Endpoints', endpointsCell),
    ageColumn,
  ],
  *warnings({ metadata, addressType, endpoints }, old) {
    if (!old && addressType === 'FQDN') yield 'spec.addressType: FQDN endpoints are deprecated';
    if (ownManagers.has(metadata.labels?.[sliceManagerLabel] ?? '')) return;
    for (const [index, { addresses }] of (endpoints ?? []).entries())
      for (const [at, address] of (addresses ?? []).entries())
        yield* addressWarnings(address, `endpoints[${index}].addresses[${at}]`);
  },
  defaults(slice) {
    for (const port of slice.ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  *validate(slice) {
    yield* oneOf(slice.addressType, ['FQDN', 'IPv4', 'IPv6'], 'addressType', 'required');
    const endpoints = slice.endpoints ?? [];
    if (endpoints.length > endpointsMax) yield tooMany('endpoints', endpoints.length, endpointsMax);
    else
      for (const [index, endpoint] of endpoints.entries())
        yield* validateEndpoint(endpoint, slice.addressType, `endpoints[${index}]`);
    yield* validatePorts(slice.ports ?? [], 'ports');
  },
  *validateUpdate(slice, old) {
    yield* immutable(slice.addressType, old.addressType, 'addressType');
  },
  versions: [
    {
      version: 'v1beta1',
      toStored: fromBeta,
      fromStored: toBeta,
      deprecation: { since: '1.21', removedIn: '1.25', replacement: 'discovery.k8s.io/v1 EndpointSlice' },
    },
  ],
});

function* validateEndpoint(endpoint: Endpoint, addressType: string, path: string): FieldErrors {
  const addresses = endpoint.addresses ?? [];
  if (addresses.length === 0) yield required(`${path}.addresses`, 'must contain at least 1 address');
  if (addresses.length > addressesMax) yield tooMany(`${path}.addresses`, addresses.length, addressesMax);
  for (const [index, address] of addresses.entries()) {
    const field = `${path}.addresses[${index}]`;
    if (addressType === 'FQDN')
      yield* invalidFor(field, address, subdomainProblems(address.replace(/\.$/, '')));
    else if (addressType === 'IPv6' || addressType === 'IPv4') {
      const errors = addressType === 'IPv6' ? ipv6Address(address, field) : ipv4Address(address, field);
      yield* errors.length > 0 ? errors : nonSpecialAddress(address, field);
    }
  }
  if (endpoint.nodeName !== undefined)
    yield* invalidFor(`${path}.nodeName`, endpoint.nodeName, subdomainProblems(endpoint.nodeName));
  if (endpoint.hostname !== undefined)
    yield* invalidFor(`${path}.hostname`, endpoint.hostname, dnsLabelProblems(endpoint.hostname));
  yield* validateHints(endpoint.hints ?? {}, `${path}.hints`);
}

/** For which zones and nodes an endpoint is meant. */
function* validateHints({ forZones = [], forNodes = [] }: EndpointHints, field: string): FieldErrors {
  for (const [list, hints, problemsOf] of [
    ['forZones', forZones, labelValueProblems],
    ['forNodes', forNodes, subdomainProblems],
  ] as const) {
    if (hints.length > hintsMax) {
      yield tooMany(`${field}.${list}`, hints.length, hintsMax);
      return;
    }
    const names = new Set<string>();
    for (const [index, { name = '' }] of hints.entries()) {
      const path = `${field}.${list}[${index}].name`;
      if (names.has(name)) yield duplicate(path, name);
      names.add(name);
      yield* invalidFor(path, name, problemsOf(name));
    }
  }
}

function* validatePorts(ports: EndpointPort[], field: string): FieldErrors {
  if (ports.length > portsMax) yield tooMany(field, ports.length, portsMax);
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = `${field}[${index}]`;
    const name = port.name ?? '';
    if (name) yield* invalidFor(`${path}.name`, name, dnsLabelProblems(name));
    if (names.has(name)) yield duplicate(`${path}.name`, name);
    names.add(name);
    yield* oneOf(port.protocol, ['SCTP', 'TCP', 'UDP'], `${path}.protocol`);
    if (port.appProtocol !== undefined)
      yield* invalidFor(`${path}.appProtocol`, port.appProtocol, qualifiedNameProblems(port.appProtocol));
  }
}

function portsCell({ ports }: EndpointSlice): string {
  if (!ports || ports.length === 0) return '<unset>';
  return shorten(ports.map((port) => (port.port === undefined ? (port.name ?? '*') : String(port.port))));
}

function endpointsCell({ endpoints }: EndpointSlice): string {
  const addresses = (endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []);
  return addresses.length === 0 ? '<unset>' : shorten(addresses);
}

function shorten(texts: string[]): string {
  const shown = texts.slice(0, shownMax).join(',');
  return texts.length > shownMax ? `${shown} + ${texts.length - shownMax} more...` : shown;
}

/** Version v1beta1 has the zone among the other labels of where an endpoint is. */
function fromBeta(object: KubeObject): KubeObject {
  for (const endpoint of (object as { endpoints?: (OldEndpoint & Endpoint)[] }).endpoints ?? []) {
    const { topology } = endpoint;
    if (!topology) continue;
    const { [zoneLabel]: zone, ...rest } = topology;
    if (zone) endpoint.zone = zone;
    if (Object.keys(rest).length > 0) endpoint.deprecatedTopology = rest;
    delete endpoint.topology;
  }
  return object;
}

function toBeta(object: KubeObject): KubeObject {
  for (const endpoint of (object as { endpoints?: (OldEndpoint & Endpoint)[] }).endpoints ?? []) {
    const { zone, deprecatedTopology } = endpoint;
    if (zone || deprecatedTopology)
      endpoint.topology = { ...deprecatedTopology, ...(zone && { [zoneLabel]: zone }) };
    delete endpoint.zone;
    delete endpoint.deprecatedTopology;
  }
  return object;
}
