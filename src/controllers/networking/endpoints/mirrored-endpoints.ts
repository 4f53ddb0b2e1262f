/** How Endpoints that nobody computes from pods look in EndpointSlices. Decides; never acts. */
import { Endpoints, type Service } from '../../../api/resources.gen.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset } from '../../../api/types/core-v1.gen.ts';
import type { Endpoint } from '../../../api/types/discovery-v1.gen.ts';
import { lastAppliedAnnotation, leaderAnnotation, skipMirrorLabel } from '../../../api/well-known.ts';
import { controllerReference } from '../../adoption.ts';
import { hasSelector } from './endpoint-pods.ts';
import { triggerTimeAnnotation } from './endpoint-trigger-time.ts';
import type { SliceIdentity, WantedSlices } from './endpointslice-plan.ts';

/** Of the slices that mirror Endpoints. */
export const mirrorManager = 'endpointslicemirroring-controller.k8s.io';

/** The most addresses that are mirrored of one subset, which all fit into one slice. */
export const addressesMax = 1000;

export function isMirrored({ metadata }: Endpoints, service: Service | undefined): boolean {
  if (!service || hasSelector(service)) return false;
  return (
    metadata.labels?.[skipMirrorLabel] !== 'true' && metadata.annotations?.[leaderAnnotation] === undefined
  );
}

export function mirrorIdentity(endpoints: Endpoints): SliceIdentity {
  const { name, namespace = '', labels, annotations = {} } = endpoints.metadata;
  const { [lastAppliedAnnotation]: _, [triggerTimeAnnotation]: __, ...mirrored } = annotations;
  return {
    name,
    namespace,
    manager: mirrorManager,
    labels: { ...labels },
    annotations: mirrored,
    owner: controllerReference({ type: Endpoints, object: endpoints }),
    keepsPlaceholder: false,
    sliceMax: addressesMax,
  };
}

export function tooManyMessage(skipped: number): string {
  return `A max of ${addressesMax} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`;
}

interface Mirrored {
  wanted: WantedSlices[];
  /** How many addresses were too many. */
  skipped: number;
}

type Family = 'IPv4' | 'IPv6';

/** The subsets as endpoints of slices, by address family. */
export function mirror({ subsets = [] }: Endpoints): Mirrored {
  const families: Record<Family, WantedSlices['groups'][number][]> = { IPv4: [], IPv6: [] };
  let skipped = 0;
  for (const { ports, addresses } of repacked(subsets)) {
    const mirrored = addresses.slice(0, addressesMax);
    skipped += addresses.length - mirrored.length;
    const byFamily = Map.groupBy(mirrored, ({ address }) => familyOf(address));
    for (const [family, of] of byFamily) families[family].push({ ports, endpoints: of.map(toEndpoint) });
  }
  const wanted = (['IPv4', 'IPv6'] as const)
    .filter((family) => families[family].length > 0)
    .map((addressType) => ({ addressType, groups: families[addressType] }));
  return { wanted, skipped };
}

interface SeenAddress {
  address: EndpointAddress;
  isReady: boolean;
}

interface Repacked {
  ports: ReturnType<typeof toPort>[];
  /** Ready ones first. */
  addresses: SeenAddress[];
}

/** Ports that the same addresses have share a subset, however they were written. */
function repacked(subsets: readonly EndpointSubset[]): Repacked[] {
  const byPort = new Map<string, { ports: Repacked['ports']; addresses: Map<string, SeenAddress> }>();
  for (const { ports = [], addresses = [], notReadyAddresses = [] } of subsets)
    for (const port of ports.length > 0 ? ports.map(toPort) : [undefined]) {
      const key = JSON.stringify(port);
      const known = byPort.get(key) ?? { ports: port ? [port] : [], addresses: new Map() };
      byPort.set(key, known);
      for (const address of addresses) note(known.addresses, { address, isReady: true });
      for (const address of notReadyAddresses) note(known.addresses, { address, isReady: false });
    }
  const byAddresses = new Map<string, Repacked>();
  for (const { ports, addresses } of byPort.values()) {
    const key = [...addresses]
      .map(([name, { isReady }]) => `${name} ${isReady}`)
      .sort()
      .join();
    const same = byAddresses.get(key);
    if (same) same.ports.push(...ports);
    else byAddresses.set(key, { ports, addresses: readyFirst(addresses.values()) });
  }
  return [...byAddresses.values()];
}

/** What is once said to be not ready is not, whatever else is said. */
function note(addresses: Map<string, SeenAddress>, seen: SeenAddress): void {
  const key = `${seen.address.ip} ${seen.address.targetRef?.uid ?? ''}`;
  const known = addresses.get(key);
  if (!known) addresses.set(key, seen);
  else if (!seen.isReady) known.isReady = false;
}

function readyFirst(addresses: Iterable<SeenAddress>): SeenAddress[] {
  return [...addresses].sort((a, b) => Number(b.isReady) - Number(a.isReady));
}

function toPort({ name = '', port, protocol = 'TCP', appProtocol }: EndpointPort) {
  return { name, port, protocol, ...(appProtocol && { appProtocol }) };
}

function familyOf({ ip }: EndpointAddress): Family {
  return ip.includes(':') ? 'IPv6' : 'IPv4';
}

function toEndpoint({ address, isReady }: SeenAddress): Endpoint {
  return {
    addresses: [address.ip],
    conditions: { ready: isReady },
    ...(address.hostname && { hostname: address.hostname }),
    ...(address.nodeName && { nodeName: address.nodeName }),
    ...(address.targetRef && { targetRef: address.targetRef }),
  };
}
