/** What is served, in the order of discovery: groups, their versions, their resources. */
import type { KindDefinition } from '../../api/kinds/kind.ts';
import { prioritiesOf } from '../aggregation/priorities.ts';
import type { KindRegistry, ServedResource } from '../registry/kind-registry.ts';
import type { SubresourceHandlers } from '../subresources/handlers.ts';

/** What discovery publishes about a resource. */
export interface DiscoverableResource
  extends Pick<ServedResource, 'group' | 'version' | 'plural' | 'kind' | 'namespaced' | 'verbs' | 'cache'> {
  readonly definition: Pick<KindDefinition, 'type' | 'singular' | 'shortNames' | 'categories'>;
}

export interface DiscoveredResource<Resource extends DiscoverableResource = DiscoverableResource> {
  resource: Resource;
  subresources: ReturnType<SubresourceHandlers['of']>;
}

export interface DiscoveredVersion<Resource extends DiscoverableResource = DiscoverableResource> {
  version: string;
  resources: DiscoveredResource<Resource>[];
  /** Its server does not answer now: it may serve something else. */
  isStale?: boolean;
  /** By which a version of another server has its place among the group's; of this server's own they are known. */
  priority?: number;
}

export interface DiscoveredGroup<Resource extends DiscoverableResource = DiscoverableResource> {
  /** Empty for the core group. */
  group: string;
  /** The preferred version first. */
  versions: DiscoveredVersion<Resource>[];
  /** By which groups of other servers have their place among those of this one. */
  priority?: number;
}

/** Groups in upstream's order; those not named here follow, and `extensions` comes last. */
const groupOrder = [
  '',
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'resource.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'storagemigration.k8s.io',
];

export function discoverGroups(
  kinds: KindRegistry,
  subresources: SubresourceHandlers,
): DiscoveredGroup<ServedResource>[] {
  const groups = new Map<string, Map<string, DiscoveredResource<ServedResource>[]>>();
  for (const resource of kinds.all()) {
    const versions = groups.get(resource.group) ?? new Map<string, DiscoveredResource<ServedResource>[]>();
    groups.set(resource.group, versions);
    const list = versions.get(resource.version) ?? [];
    versions.set(resource.version, list);
    list.push({ resource, subresources: subresources.of(resource) });
  }
  return [...groups.keys()].sort(compareGroups).map((group) => ({
    group,
    versions: [...groups.get(group)!]
      .map(([version, resources]) => ({
        version,
        resources: resources.sort((a, b) => (a.resource.plural < b.resource.plural ? -1 : 1)),
      }))
      .sort((a, b) => compareVersions(a.version, b.version)),
  }));
}

/**
 * Groups of other servers in their places, as the priorities of APIServices have it. Where they serve a version of a
 * group that this server has too, theirs is the one that is asked: it takes the place of the own.
 */
export function withOtherGroups(
  own: readonly DiscoveredGroup[],
  others: readonly DiscoveredGroup[],
): DiscoveredGroup[] {
  const all = [...own];
  for (const other of others) {
    const present = all.findIndex(({ group }) => group === other.group);
    const group = present < 0 ? other : mergeGroups(all[present]!, other);
    if (present >= 0) all.splice(present, 1);
    const at = all.findIndex((next) => comesBefore(group, next));
    all.splice(at < 0 ? all.length : at, 0, group);
  }
  return all;
}

function mergeGroups(own: DiscoveredGroup, other: DiscoveredGroup): DiscoveredGroup {
  const { group } = own;
  const ofOther = new Set(other.versions.map(({ version }) => version));
  const priority = ({ version, priority }: DiscoveredVersion) =>
    priority ?? prioritiesOf(group, version).versionPriority;
  const versions = [...own.versions.filter(({ version }) => !ofOther.has(version)), ...other.versions].sort(
    (left, right) => priority(right) - priority(left) || compareVersions(left.version, right.version),
  );
  return { group, versions, priority: Math.max(priorityOf(own), priorityOf(other)) };
}

function comesBefore(left: DiscoveredGroup, right: DiscoveredGroup): boolean {
  const [own, other] = [priorityOf(left), priorityOf(right)];
  return own > other || (own === other && left.group < right.group);
}

function priorityOf({ group, priority }: DiscoveredGroup): number {
  // The first and the last, whatever their numbers are.
  if (group === groupOrder[0] || group === groupOrder[1]) return Number.POSITIVE_INFINITY;
  if (group === 'extensions') return Number.NEGATIVE_INFINITY;
  return priority ?? prioritiesOf(group, '').groupPriorityMinimum;
}

export function subresourcesInOrder(
  subresources: DiscoveredResource['subresources'],
): DiscoveredResource['subresources'] {
  return [...subresources].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether the body of a subresource is of another group or version than the resource. */
export function isForeign(
  type: { group: string; version: string },
  { group, version }: DiscoverableResource,
): boolean {
  return type.group !== group || type.version !== version;
}

/** `extensions` has none: kubectl would warn that `deploy` could mean either. */
export function shortNamesOf({ group, definition }: DiscoverableResource): readonly string[] {
  return group === 'extensions' ? [] : definition.shortNames;
}

/** `kubectl get all` lists an object once, under its present group. */
export function categoriesOf({ group, definition }: DiscoverableResource): readonly string[] {
  return group === 'extensions' ? [] : definition.categories;
}

function compareGroups(a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

function rank(group: string): number {
  if (group === 'extensions') return Number.POSITIVE_INFINITY;
  const at = groupOrder.indexOf(group);
  return at < 0 ? groupOrder.length : at;
}

const maturities: Record<string, number> = { '': 2, beta: 1, alpha: 0 };

/** Stable before beta before alpha, newer before older; names of another form come last. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parseVersion(a), parseVersion(b)];
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : a > b ? 1 : 0;
  return right.maturity - left.maturity || right.major - left.major || right.minor - left.minor;
}

function parseVersion(version: string): { major: number; maturity: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return undefined;
  return { major: Number(match[1]), maturity: maturities[match[2] ?? '']!, minor: Number(match[3] ?? 0) };
}
