/** Distributes endpoints over slices with as few changes to the existing ones as possible. */
import { isDeepStrictEqual } from 'node:util';
import type { Draft, OwnerReference } from '../../../api/meta.ts';
import type { EndpointSlice } from '../../../api/resources.gen.ts';
import type * as discovery from '../../../api/types/discovery-v1.gen.ts';
import { serviceNameLabel, sliceManagerLabel } from '../../../api/well-known.ts';
import { canonicalJson } from '../../pods/pod-template.ts';

/** The label that names a slice's controller. */
/** Endpoints per slice, where nothing else is said. */
export const sliceMax = 100;

export interface WantedSlices {
  addressType: 'IPv4' | 'IPv6' | 'FQDN';
  groups: readonly { ports: discovery.EndpointPort[]; endpoints: discovery.Endpoint[] }[];
}

/** What every slice of the Service carries. */
export interface SliceIdentity {
  name: string;
  namespace: string;
  manager: string;
  labels: Record<string, string>;
  owner: OwnerReference;
  annotations?: Record<string, string>;
  /** False: a Service without endpoints has no slice, instead of an empty one. */
  keepsPlaceholder?: boolean;
  /** Endpoints per slice. */
  sliceMax?: number;
}

export interface SlicePlan {
  create: Draft<EndpointSlice>[];
  update: EndpointSlice[];
  remove: EndpointSlice[];
}

export function planSlices(
  present: readonly EndpointSlice[],
  wanted: readonly WantedSlices[],
  identity: SliceIdentity,
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [] };
  const unused = new Set(present);
  for (const { addressType, groups } of wanted) {
    const isEmpty = groups.length === 0 && identity.keepsPlaceholder !== false;
    for (const group of isEmpty ? [{ ports: [], endpoints: [] }] : groups) {
      const fitting = [...unused].filter(
        (slice) => slice.addressType === addressType && samePorts(slice.ports, group.ports),
      );
      // An empty Service keeps one of its slices, whatever ports that had.
      if (isEmpty && fitting.length === 0)
        fitting.push(...[...unused].filter((slice) => slice.addressType === addressType).slice(0, 1));
      for (const slice of fitting) unused.delete(slice);
      const planned = planGroup(fitting, { addressType, ...group }, identity);
      plan.create.push(...planned.create);
      plan.update.push(...planned.update);
      plan.remove.push(...planned.remove);
    }
  }
  plan.remove.push(...unused);
  recycle(plan);
  return plan;
}

/** A slice to remove and one to create become one to change: watchers see a single event, and the name stays. */
function recycle(plan: SlicePlan): void {
  for (const draft of [...plan.create]) {
    const at = plan.remove.findIndex((slice) => slice.addressType === draft.addressType);
    const [slice] = at >= 0 ? plan.remove.splice(at, 1) : [];
    if (!slice) continue;
    plan.create.splice(plan.create.indexOf(draft), 1);
    const { labels, annotations, ownerReferences } = draft.metadata;
    const metadata = { ...slice.metadata, labels, ownerReferences, ...(annotations && { annotations }) };
    plan.update.push({ ...slice, metadata, endpoints: draft.endpoints, ports: draft.ports });
  }
}

/** Endpoints with the same ports, which share slices. */
type EndpointGroup = WantedSlices['groups'][number] & Pick<WantedSlices, 'addressType'>;

function planGroup(
  fitting: readonly EndpointSlice[],
  { addressType, ports, endpoints }: EndpointGroup,
  identity: SliceIdentity,
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [] };
  const missing = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
  // Endpoints stay in the slices that hold them.
  const kept = fitting.map((slice) => ({ slice, endpoints: takeFrom(missing, slice) }));
  const rest = [...missing.values()];
  const { sliceMax: max = sliceMax } = identity;
  const room = kept.filter((entry) => entry.endpoints.length < max);
  for (const entry of room) entry.endpoints.push(...rest.splice(0, max - entry.endpoints.length));
  const isPlaceholder = endpoints.length === 0;
  let used = 0;
  for (const entry of kept) {
    if (entry.endpoints.length === 0 && !(isPlaceholder && used === 0)) {
      plan.remove.push(entry.slice);
      continue;
    }
    used++;
    const next = withContent(entry.slice, ports, entry.endpoints, identity);
    if (!isSame(entry.slice, next, identity)) plan.update.push(next);
  }
  if (isPlaceholder && used === 0) plan.create.push(newSlice(addressType, ports, [], identity));
  while (rest.length > 0) plan.create.push(newSlice(addressType, ports, rest.splice(0, max), identity));
  return plan;
}

function takeFrom(missing: Map<string, discovery.Endpoint>, slice: EndpointSlice): discovery.Endpoint[] {
  const kept: discovery.Endpoint[] = [];
  for (const endpoint of slice.endpoints ?? []) {
    const key = endpointKey(endpoint);
    const wanted = missing.get(key);
    if (!wanted) continue;
    missing.delete(key);
    kept.push(wanted);
  }
  return kept;
}

export function endpointKey({ targetRef, addresses }: discovery.Endpoint): string {
  return targetRef?.uid ? `${targetRef.uid} ${addresses[0]}` : addresses.join(' ');
}

function samePorts(
  a: readonly discovery.EndpointPort[] | undefined,
  b: readonly discovery.EndpointPort[],
): boolean {
  const text = (ports: readonly discovery.EndpointPort[]) =>
    ports
      .map((one) => `${one.name ?? ''} ${one.protocol} ${one.port} ${one.appProtocol ?? ''}`)
      .sort()
      .join();
  return text(a ?? []) === text(b);
}

function labelsOf({ labels, name, manager }: SliceIdentity): Record<string, string> {
  return { ...labels, [serviceNameLabel]: name, [sliceManagerLabel]: manager };
}

function withContent(
  slice: EndpointSlice,
  ports: discovery.EndpointPort[],
  endpoints: discovery.Endpoint[],
  identity: SliceIdentity,
): EndpointSlice {
  const { annotations, owner } = identity;
  const metadata = { ...slice.metadata, labels: labelsOf(identity), ownerReferences: [owner] };
  if (annotations) metadata.annotations = annotations;
  return { ...slice, metadata, ports: orNone(ports), endpoints };
}

function newSlice(
  addressType: WantedSlices['addressType'],
  ports: discovery.EndpointPort[],
  endpoints: discovery.Endpoint[],
  identity: SliceIdentity,
): Draft<EndpointSlice> {
  const { name, namespace, owner, annotations } = identity;
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: labelsOf(identity),
      ownerReferences: [owner],
      ...(annotations && { annotations }),
    },
    addressType,
    endpoints,
    ports: orNone(ports),
  };
}

/** An empty list of ports is written as null, as in upstream's empty slices. */
function orNone(ports: discovery.EndpointPort[]): discovery.EndpointPort[] | undefined {
  return ports.length > 0 ? ports : undefined;
}

function isSame(a: EndpointSlice, b: EndpointSlice, { annotations }: SliceIdentity): boolean {
  return (
    (!annotations || isDeepStrictEqual(a.metadata.annotations ?? {}, annotations)) &&
    isDeepStrictEqual(a.metadata.labels, b.metadata.labels) &&
    a.metadata.ownerReferences?.[0]?.uid === b.metadata.ownerReferences?.[0]?.uid &&
    samePorts(a.ports, b.ports ?? []) &&
    canonicalJson(a.endpoints ?? []) === canonicalJson(b.endpoints ?? [])
  );
}
