/** How objects count against a ResourceQuota: the one rule that admission and the quota controller share. */

import type { KubeObject } from '../meta.ts';
import type { PersistentVolumeClaim, Pod, ResourceClaim, ResourceQuota, Service } from '../resources.gen.ts';
import { qualifiedName, type ResourceName } from '../status.ts';
import { attributesClassesOf } from '../storage/volume-binding.ts';
import type * as core from '../types/core-v1.gen.ts';
import {
  addClaimUsage,
  type ClaimSurroundings,
  concernsClaims,
  devicesSuffix,
  isEnded,
} from './claim-usage.ts';
import { computePodLimits, computePodRequests, exactAmounts } from './pod-resources.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  zeroQuantity,
} from './quantity.ts';

/** Amounts by the names that quotas use: `pods`, `requests.cpu`, `count/deployments.apps`, … */
export type Usage = ReadonlyMap<string, Quantity>;

const one = parseQuantity('1');
/** Core resources that a quota also knows by their bare plural. */
const bareCounts = new Set([
  'configmaps',
  'persistentvolumeclaims',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
]);

/**
 * How one object counts, whatever a quota limits. An ended pod counts only for its existence. Without `surroundings`, a
 * claim does not count as extended resources.
 */
export function usageOf(resource: ResourceName, object: KubeObject, surroundings?: ClaimSurroundings): Usage {
  const usage = new Map<string, Quantity>([[`count/${qualifiedName(resource)}`, one]]);
  if (isClaims(resource)) addClaimUsage(usage, object as ResourceClaim, surroundings);
  if (resource.group !== '') return usage;
  if (bareCounts.has(resource.plural)) usage.set(resource.plural, one);
  if (resource.plural === 'pods') addPod(usage, object as Pod);
  if (resource.plural === 'services') addService(usage, object as Service);
  if (resource.plural === 'persistentvolumeclaims') addClaim(usage, object as PersistentVolumeClaim);
  return usage;
}

/** Whether a quota's limits can be touched by objects of the resource at all. */
export function concernsResource(hardName: string, resource: ResourceName): boolean {
  if (hardName === `count/${qualifiedName(resource)}`) return true;
  if (isClaims(resource)) return concernsClaims(hardName);
  if (hardName.endsWith(devicesSuffix)) return false;
  if (resource.group !== '' || hardName.startsWith('count/')) return false;
  if (bareCounts.has(hardName)) return hardName === resource.plural;
  if (hardName.startsWith('services.')) return resource.plural === 'services';
  if (hardName === 'requests.storage' || hardName.includes('.storageclass.storage.k8s.io/'))
    return resource.plural === 'persistentvolumeclaims';
  return resource.plural === 'pods';
}

function isClaims({ group, plural }: ResourceName): boolean {
  return group === 'resource.k8s.io' && plural === 'resourceclaims';
}

function addPod(usage: Map<string, Quantity>, pod: Pod): void {
  if (isEnded(pod)) return;
  usage.set('pods', one);
  for (const [name, amount] of computePodRequests(pod, exactAmounts)) {
    usage.set(`requests.${name}`, amount);
    if (name === 'cpu' || name === 'memory' || name === 'ephemeral-storage') usage.set(name, amount);
    if (name.startsWith('hugepages-')) usage.set(name, amount);
  }
  for (const [name, amount] of computePodLimits(pod, exactAmounts)) usage.set(`limits.${name}`, amount);
}

function addService(usage: Map<string, Quantity>, service: Service): void {
  const { type, ports, allocateLoadBalancerNodePorts } = service.spec ?? {};
  const portCount = parseQuantity(String(ports?.length ?? 0));
  if (type === 'NodePort') usage.set('services.nodeports', portCount);
  if (type !== 'LoadBalancer') return;
  usage.set('services.loadbalancers', one);
  const given = (ports ?? []).filter((port) => port.nodePort).length;
  const isAllocated = allocateLoadBalancerNodePorts !== false;
  usage.set('services.nodeports', isAllocated ? portCount : parseQuantity(String(given)));
}

function addClaim(usage: Map<string, Quantity>, claim: PersistentVolumeClaim): void {
  const storage = storageOf(claim);
  const storageClass = claim.spec?.storageClassName;
  if (storage !== undefined) usage.set('requests.storage', parseQuantity(storage));
  if (!storageClass) return;
  const prefix = `${storageClass}.storageclass.storage.k8s.io`;
  usage.set(`${prefix}/persistentvolumeclaims`, one);
  if (storage !== undefined) usage.set(`${prefix}/requests.storage`, parseQuantity(storage));
}

/** What it asks for, or what is set aside for it where that is more. */
function storageOf({ spec, status }: PersistentVolumeClaim): string | undefined {
  const asked = spec?.resources?.requests?.storage;
  const allocated = status?.allocatedResources?.storage;
  if (asked === undefined || allocated === undefined) return asked;
  return compareQuantities(parseQuantity(allocated), parseQuantity(asked)) > 0 ? allocated : asked;
}

/** Whether the quota's scopes let it count the object. Scopes select pods; a quota with scopes counts nothing else. */
export function matchesScopes(quota: ResourceQuota, resource: ResourceName, object: KubeObject): boolean {
  const requirements: core.ScopedResourceSelectorRequirement[] = [
    ...(quota.spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' as const })),
    ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ];
  if (requirements.length === 0) return true;
  if (resource.group !== '') return false;
  if (resource.plural === 'pods')
    return requirements.every((requirement) => matchesPodScope(requirement, object as Pod));
  if (resource.plural === 'persistentvolumeclaims')
    return requirements.every((requirement) =>
      matchesClaimScope(requirement, object as PersistentVolumeClaim),
    );
  return false;
}

/** Of the pod fields that scopes depend on, only the deadline may change. */
export function changesScope(pod: Pod, old: Pod | undefined): boolean {
  return hasDeadline(pod) !== (old !== undefined && hasDeadline(old));
}

function hasDeadline(pod: Pod): boolean {
  return pod.spec?.activeDeadlineSeconds !== undefined;
}

function matchesPodScope(requirement: core.ScopedResourceSelectorRequirement, pod: Pod): boolean {
  switch (requirement.scopeName) {
    case 'Terminating':
      return hasDeadline(pod);
    case 'NotTerminating':
      return !hasDeadline(pod);
    case 'BestEffort':
      return isBestEffort(pod);
    case 'NotBestEffort':
      return !isBestEffort(pod);
    case 'PriorityClass':
      return matchesName(requirement, pod.spec?.priorityClassName);
    case 'CrossNamespacePodAffinity':
      return hasCrossNamespaceAffinity(pod);
    default:
      return false;
  }
}

function matchesClaimScope(
  requirement: core.ScopedResourceSelectorRequirement,
  claim: PersistentVolumeClaim,
): boolean {
  if (requirement.scopeName !== 'VolumeAttributesClass') return false;
  const names = attributesClassesOf(claim);
  return names.length === 0
    ? matchesName(requirement, undefined)
    : names.some((name) => matchesName(requirement, name));
}

function matchesName(
  { operator, values = [] }: core.ScopedResourceSelectorRequirement,
  name: string | undefined,
): boolean {
  switch (operator) {
    case 'Exists':
      return Boolean(name);
    case 'DoesNotExist':
      return !name;
    case 'In':
      return Boolean(name) && values.includes(name!);
    case 'NotIn':
      return !name || !values.includes(name);
    default:
      return false;
  }
}

function isBestEffort(pod: Pod): boolean {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const asks = (resources: core.ResourceRequirements | undefined) =>
    Object.keys({ ...resources?.requests, ...resources?.limits }).some(
      (name) => name === 'cpu' || name === 'memory',
    );
  return !containers.some((container) => asks(container.resources)) && !asks(pod.spec?.resources);
}

function hasCrossNamespaceAffinity(pod: Pod): boolean {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  const terms = [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => term.podAffinityTerm),
  ]);
  return terms.some((term) => (term.namespaces?.length ?? 0) > 0 || term.namespaceSelector !== undefined);
}

/** Sums, for the names that a quota limits, what `objects` use. */
export function totalUsage(names: readonly string[], usages: Iterable<Usage>): Record<string, string> {
  const totals = new Map<string, Quantity>();
  for (const usage of usages)
    for (const name of names) {
      const amount = usage.get(name);
      if (amount)
        totals.set(
          name,
          addQuantities(totals.get(name) ?? { ...zeroQuantity, format: amount.format }, amount),
        );
    }
  return Object.fromEntries(names.map((name) => [name, formatQuantity(totals.get(name) ?? zeroQuantity)]));
}

export function sameAmounts(a: Record<string, string> | undefined, b: Record<string, string>): boolean {
  const keys = Object.keys(b);
  return (
    Object.keys(a ?? {}).length === keys.length &&
    keys.every(
      (key) =>
        a?.[key] !== undefined && compareQuantities(parseQuantity(a[key]), parseQuantity(b[key]!)) === 0,
    )
  );
}
