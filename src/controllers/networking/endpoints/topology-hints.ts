/**
 * Hints of EndpointSlices, by which a node's proxy prefers nearby endpoints. Pure. As upstream, there are two ways to
 * ask for them: `spec.trafficDistribution`, and the older annotation, which also distributes endpoints by capacity.
 */
import { milliValueOf } from '../../../api/quantities/quantity.ts';
import type { Node, Service } from '../../../api/resources.gen.ts';
import type * as discovery from '../../../api/types/discovery-v1.gen.ts';
import { topologyHintsAnnotation, topologyModeAnnotation, zoneLabel } from '../../../api/well-known.ts';
import { nodeCondition } from '../../nodes/node-state.ts';

const modeAnnotations = [topologyHintsAnnotation, topologyModeAnnotation];
/** Nodes with one of these labels get no share of the load. */
const excludedLabels = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];
/** How much more than its even share an endpoint may get at most. */
const overloadMax = 0.2;

/** By zone: its fraction of the CPU of all zones; they add up to 1. */
export type ZoneShares = ReadonlyMap<string, number>;

export interface HintPlan {
  /** The same endpoints in the same order, with their hints. */
  endpoints: discovery.Endpoint[];
  /** Why endpoints could not be distributed by capacity, in upstream's words; then there are no hints. */
  problem?: string;
}

export function zoneOf(node: Node | undefined): string | undefined {
  return node?.metadata.labels?.[zoneLabel];
}

/** Whether the annotation asks for endpoints to be distributed by the zones' capacity. */
export function isSharedByCapacity({ metadata }: Service): boolean {
  const asked = modeAnnotations
    .map((name) => metadata.annotations?.[name])
    .find((mode) => mode !== undefined);
  return asked === 'Auto' || asked === 'auto';
}

/** `endpoints`: all of one address family. `shares`: undefined when a zone's capacity is unknown. */
export function planHints(
  service: Service,
  endpoints: readonly discovery.Endpoint[],
  shares: ZoneShares | undefined,
): HintPlan {
  if (isSharedByCapacity(service)) return shareOut(endpoints, shares);
  const distribution = service.spec?.trafficDistribution;
  if (!distribution) return { endpoints: [...endpoints] };
  return {
    endpoints: endpoints.map((endpoint) =>
      withOwnHints(endpoint, { namesNode: distribution === 'PreferSameNode' }),
    ),
  };
}

function withOwnHints(
  endpoint: discovery.Endpoint,
  { namesNode }: { namesNode: boolean },
): discovery.Endpoint {
  const { zone, nodeName, conditions } = endpoint;
  const hints: discovery.EndpointHints = {
    ...(zone && { forZones: [{ name: zone }] }),
    ...(nodeName && namesNode && { forNodes: [{ name: nodeName }] }),
  };
  return conditions?.ready && Object.keys(hints).length > 0 ? { ...endpoint, hints } : endpoint;
}

/** Undefined unless every node that counts has a zone and CPU, and there are at least two zones. */
export function computeZoneShares(nodes: Iterable<Node>): ZoneShares | undefined {
  const byZone = new Map<string, number>();
  let total = 0;
  for (const node of nodes) {
    if (excludedLabels.some((label) => node.metadata.labels?.[label] !== undefined)) continue;
    if (nodeCondition(node, 'Ready')?.status !== 'True') continue;
    const zone = zoneOf(node);
    const cpuMilli = milliValueOf(node.status?.allocatable?.cpu ?? '0');
    if (!zone || cpuMilli === 0) return undefined;
    byZone.set(zone, (byZone.get(zone) ?? 0) + cpuMilli);
    total += cpuMilli;
  }
  if (byZone.size < 2) return undefined;
  return new Map([...byZone].sort(([a], [b]) => (a < b ? -1 : 1)).map(([zone, cpu]) => [zone, cpu / total]));
}

function shareOut(endpoints: readonly discovery.Endpoint[], shares: ZoneShares | undefined): HintPlan {
  const none = (problem: string): HintPlan => ({ endpoints: [...endpoints], problem });
  if (!shares)
    return none('Insufficient Node information: allocatable CPU or zone not specified on one or more nodes');
  // Ordered by address, so that every computation has the same result.
  const ready = endpoints
    .filter(({ conditions }) => conditions?.ready)
    .sort((a, b) => (a.addresses[0]! < b.addresses[0]! ? -1 : 1));
  const counts = `(${ready.length} endpoints, ${shares.size} zones)`;
  if (shares.size > ready.length) return none(`Insufficient number of endpoints ${counts}`);
  const wanted = wantedByZone(ready.length, shares);
  if (!wanted)
    return none(
      `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}`,
    );
  if (ready.some(({ zone }) => !zone)) return none('One or more endpoints do not have a zone specified');
  const zones = assignZones(
    ready.map(({ zone }) => zone!),
    wanted,
  );
  const assigned = new Map(ready.map((endpoint, index) => [endpoint, zones[index]!]));
  return {
    endpoints: endpoints.map((endpoint) => {
      const zone = assigned.get(endpoint);
      return zone ? { ...endpoint, hints: { forZones: [{ name: zone }] } } : endpoint;
    }),
  };
}

/**
 * How many endpoints each zone should have, as fractions; undefined when the minimum per zone exceeds the number of
 * endpoints.
 */
function wantedByZone(endpointsCount: number, shares: ZoneShares): Map<string, number> | undefined {
  const wanted = new Map<string, number>();
  let needed = 0;
  for (const [zone, share] of shares) {
    const fair = share * endpointsCount;
    const fewest = Math.ceil(fair / (1 + overloadMax));
    wanted.set(zone, Math.max(fair, fewest));
    needed += fewest;
  }
  return needed > endpointsCount ? undefined : wanted;
}

/**
 * From each endpoint's own zone to the one that it serves: zones with too many endpoints give to those with too few.
 */
function assignZones(own: readonly string[], wanted: ReadonlyMap<string, number>): string[] {
  const balance = new Map<string, number>([...wanted].map(([zone, count]) => [zone, -count]));
  for (const zone of own) if (balance.has(zone)) balance.set(zone, balance.get(zone)! + 1);
  const gifts: { from: string; to: string }[] = [];
  for (;;) {
    const zones = [...balance.entries()].sort(([, a], [, b]) => a - b);
    const [to, missing] = zones[0]!;
    const [from, spare] = zones.at(-1)!;
    if (spare < 0.5 || -missing < 0.5 || (spare < 1 && -missing < 1)) break;
    balance.set(from, spare - 1);
    balance.set(to, missing + 1);
    gifts.push({ from, to });
  }
  return own.map((zone) => {
    const at = gifts.findIndex(({ from }) => from === zone);
    return at < 0 ? zone : gifts.splice(at, 1)[0]!.to;
  });
}
