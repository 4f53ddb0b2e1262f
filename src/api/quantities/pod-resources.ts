/** What a whole pod requests or may use: one rule for scheduler, quota, node agent and autoscaler. */
import { isSidecar } from '../core/pod/sidecars.ts';
import type { Pod } from '../resources.gen.ts';
import type { Container, ContainerStatus, PodStatus } from '../types/core-v1.gen.ts';
import {
  addQuantities,
  compareQuantities,
  milliValueOf,
  parseQuantity,
  type Quantity,
  wholeValueOf,
} from './quantity.ts';

/** How amounts of a resource are read, added and compared. */
export interface Arithmetic<Amount> {
  parse(resource: string, text: string): Amount;
  add(left: Amount, right: Amount): Amount;
  max(left: Amount, right: Amount): Amount;
}

/** Plain numbers: thousandths of a cpu, whole units of everything else. Fast; exact up to 2⁵³. */
export const numericAmounts: Arithmetic<number> = {
  parse: (resource, text) => (resource === 'cpu' ? milliValueOf(text) : wholeValueOf(text)),
  add: (left, right) => left + right,
  max: Math.max,
};

export const exactAmounts: Arithmetic<Quantity> = {
  parse: (_, text) => parseQuantity(text),
  add: addQuantities,
  max: (left, right) => (compareQuantities(left, right) >= 0 ? left : right),
};

export interface PodResourcesOptions {
  /** Amounts for containers without a request (for scoring: a pod without requests is not free). */
  containerDefaults?: Record<string, string>;
  /** Count what running containers already hold when that exceeds the spec (resize in place). */
  useStatus?: boolean;
}

/**
 * The most that the pod needs at any time of its life: all containers together, or its hungriest init container
 * along with the sidecars started before it; then pod-level amounts where given; then the overhead.
 */
export function computePodRequests<Amount>(
  pod: Pod,
  amounts: Arithmetic<Amount>,
  options: PodResourcesOptions = {},
): Map<string, Amount> {
  return computePodResources(pod, { which: 'requests', amounts, options });
}

/** Like {@link computePodRequests}. Overhead counts only for resources that have a limit. */
export function computePodLimits<Amount>(pod: Pod, amounts: Arithmetic<Amount>): Map<string, Amount> {
  return computePodResources(pod, { which: 'limits', amounts, options: {} });
}

/** What is counted, and how. */
interface Counting<Amount> {
  which: 'requests' | 'limits';
  amounts: Arithmetic<Amount>;
  options: PodResourcesOptions;
}

function computePodResources<Amount>(pod: Pod, counting: Counting<Amount>): Map<string, Amount> {
  const { which, amounts, options } = counting;
  const { spec } = pod;
  const total = new Map<string, Amount>();
  for (const container of spec?.containers ?? []) {
    const status = options.useStatus ? statusOf(pod.status?.containerStatuses, container.name) : undefined;
    addInto(total, resourcesOfContainer(asGranted(pod, container, status), status, counting), amounts);
  }
  const initContainers = spec?.initContainers;
  if (initContainers?.length) {
    const sidecars = new Map<string, Amount>();
    const peak = new Map<string, Amount>();
    for (const container of initContainers) {
      const lasts = isSidecar(container);
      const status =
        options.useStatus && lasts ? statusOf(pod.status?.initContainerStatuses, container.name) : undefined;
      const own = resourcesOfContainer(asGranted(pod, container, status), status, counting);
      if (lasts) {
        addInto(total, own, amounts);
        addInto(sidecars, own, amounts);
        maxInto(peak, sidecars, amounts);
      } else {
        addInto(own, sidecars, amounts);
        maxInto(peak, own, amounts);
      }
    }
    maxInto(total, peak, amounts);
  }
  for (const [resource, amount] of podLevelAmounts(pod, counting)) total.set(resource, amount);
  for (const [resource, text] of Object.entries(spec?.overhead ?? {})) {
    const held = total.get(resource);
    const overhead = amounts.parse(resource, text);
    if (held !== undefined) total.set(resource, amounts.add(held, overhead));
    else if (which === 'requests') total.set(resource, overhead);
  }
  return total;
}

/** The pod-level amounts or, during a resize, what the pod still holds if that is more. */
function podLevelAmounts<Amount>(
  { spec, status }: Pod,
  { which, amounts, options }: Counting<Amount>,
): Map<string, Amount> {
  const own = new Map<string, Amount>();
  for (const [resource, text] of Object.entries(spec?.resources?.[which] ?? {}))
    own.set(resource, amounts.parse(resource, text));
  if (!options.useStatus || which === 'limits' || own.size === 0) return own;
  const held = new Map<string, Amount>();
  // What the status adds up of containers is counted with them.
  for (const amountsHeld of [status?.resources?.requests, status?.allocatedResources])
    for (const [resource, text] of Object.entries(amountsHeld ?? {}))
      if (own.has(resource)) maxInto(held, new Map([[resource, amounts.parse(resource, text)]]), amounts);
  if (status?.resources && isInfeasible(status)) return held;
  maxInto(own, held, amounts);
  return own;
}

/** A request that can never be granted on its node does not count: the container keeps what it holds. */
function asGranted(pod: Pod, container: Container, status: ContainerStatus | undefined): Container {
  if (!status?.resources || !isInfeasible(pod.status)) return container;
  return { ...container, resources: status.resources };
}

function isInfeasible(status: PodStatus | undefined): boolean {
  const conditions = status?.conditions ?? [];
  return conditions.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible');
}

function resourcesOfContainer<Amount>(
  container: Container,
  status: ContainerStatus | undefined,
  { which, amounts, options }: Counting<Amount>,
): Map<string, Amount> {
  const own = new Map<string, Amount>();
  const listed = container.resources?.[which];
  for (const resource in listed) own.set(resource, amounts.parse(resource, listed[resource]!));
  for (const held of [status?.resources?.requests, status?.allocatedResources]) {
    for (const resource in held) {
      const amount = amounts.parse(resource, held[resource]!);
      const asked = own.get(resource);
      own.set(resource, asked === undefined ? amount : amounts.max(asked, amount));
    }
  }
  const defaults = options.containerDefaults;
  for (const resource in defaults)
    if (!own.has(resource)) own.set(resource, amounts.parse(resource, defaults[resource]!));
  return own;
}

function statusOf(statuses: ContainerStatus[] | undefined, name: string): ContainerStatus | undefined {
  return statuses?.find((status) => status.name === name);
}

function addInto<Amount>(
  total: Map<string, Amount>,
  more: ReadonlyMap<string, Amount>,
  amounts: Arithmetic<Amount>,
): void {
  for (const [resource, amount] of more) {
    const held = total.get(resource);
    total.set(resource, held === undefined ? amount : amounts.add(held, amount));
  }
}

function maxInto<Amount>(
  total: Map<string, Amount>,
  other: ReadonlyMap<string, Amount>,
  amounts: Arithmetic<Amount>,
): void {
  for (const [resource, amount] of other) {
    const held = total.get(resource);
    total.set(resource, held === undefined ? amount : amounts.max(held, amount));
  }
}
