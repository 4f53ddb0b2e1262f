/** Endpoints: the addresses behind a Service, in the old form. */
import { isIP } from 'node:net';
import { joinHostPort } from '../../base/text/host-port.ts';
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { Endpoints } from '../resources.gen.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset } from '../types/core-v1.gen.ts';
import { addressWarnings, nonSpecialAddress } from '../validation/addresses.ts';
import { type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import { invalidFor, oneOf, portNumber } from '../validation/fields.ts';
import { dnsLabelProblems, qualifiedNameProblems, subdomainProblems } from '../validation/names.ts';
import { endpointsManagerLabel } from '../well-known.ts';

const protocols = ['SCTP', 'TCP', 'UDP'];

export const endpointsKind = defineKind(Endpoints, {
  createsOnUpdate: true,
  deprecation: { since: '1.33', replacement: 'discovery.k8s.io/v1 EndpointSlice' },
  storagePrefix: 'services/endpoints',
  columns: [nameColumn, column('Endpoints', endpointsCell), ageColumn],
  defaults(endpoints) {
    for (const subset of endpoints.subsets ?? [])
      for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
  },
  *warnings({ metadata, subsets }) {
    if (metadata.labels?.[endpointsManagerLabel] === 'endpoint-controller') return;
    for (const [index, subset] of (subsets ?? []).entries())
      for (const list of ['addresses', 'notReadyAddresses'] as const)
        for (const [at, { ip }] of (subset[list] ?? []).entries())
          yield* addressWarnings(ip, `subsets[${index}].${list}[${at}].ip`);
  },
  *validate(endpoints) {
    for (const [index, subset] of (endpoints.subsets ?? []).entries())
      yield* validateSubset(subset, `subsets[${index}]`);
  },
});

function* validateSubset(subset: EndpointSubset, path: string): FieldErrors {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  if (addresses.length === 0 && notReadyAddresses.length === 0)
    yield required(path, 'must specify `addresses` or `notReadyAddresses`');
  for (const [index, address] of addresses.entries())
    yield* validateAddress(address, `${path}.addresses[${index}]`);
  for (const [index, address] of notReadyAddresses.entries())
    yield* validateAddress(address, `${path}.notReadyAddresses[${index}]`);
  for (const [index, port] of ports.entries())
    yield* validatePort(port, `${path}.ports[${index}]`, { mustHaveName: ports.length > 1 });
}

function* validateAddress(address: EndpointAddress, path: string): FieldErrors {
  yield* nonSpecialAddress(address.ip, `${path}.ip`);
  if (address.hostname)
    yield* invalidFor(`${path}.hostname`, address.hostname, dnsLabelProblems(address.hostname));
  if (address.nodeName !== undefined)
    yield* invalidFor(`${path}.nodeName`, address.nodeName, subdomainProblems(address.nodeName));
  // Upstream looks twice.
  const { ip = '' } = address;
  if (isIP(ip) === 0) yield invalidValue(`${path}.ip`, ip, 'must be a valid IP address');
}

function* validatePort(
  port: EndpointPort,
  path: string,
  { mustHaveName }: { mustHaveName: boolean },
): FieldErrors {
  if (!port.name) {
    if (mustHaveName) yield required(`${path}.name`);
  } else yield* invalidFor(`${path}.name`, port.name, dnsLabelProblems(port.name));
  yield* portNumber(port.port, `${path}.port`);
  if (!port.protocol) yield required(`${path}.protocol`);
  else yield* oneOf(port.protocol, protocols, `${path}.protocol`);
  if (port.appProtocol !== undefined)
    yield* invalidFor(`${path}.appProtocol`, port.appProtocol, qualifiedNameProblems(port.appProtocol));
}

const shownMax = 3;

function endpointsCell(endpoints: Endpoints): string {
  const texts: string[] = [];
  for (const { addresses = [], ports = [] } of endpoints.subsets ?? []) {
    if (ports.length === 0) for (const { ip } of addresses) texts.push(ip);
    for (const { port } of ports) for (const { ip } of addresses) texts.push(joinHostPort(ip, port));
  }
  if (texts.length === 0) return '<none>';
  const shown = texts.slice(0, shownMax).join(',');
  return texts.length > shownMax ? `${shown} + ${texts.length - shownMax} more...` : shown;
}
