/** Requests and limits in the units of the kernel's control groups. */
import { computePodLimits, computePodRequests, numericAmounts } from '../../api/quantities/pod-resources.ts';
import { milliValueOf, wholeValueOf } from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { LinuxResources } from '../cri/messages.ts';

const sharesMin = 2;
const sharesMax = 262_144;
/** How many steps there are from the smallest to the greatest of v1's shares, and of v2's weights. */
const shareSteps = sharesMax - sharesMin;
const weightMin = 1;
const weightSteps = 9_999;
const sharesPerCpu = 1024;
const quotaPeriodUs = 100_000;
const quotaMinUs = 1000;

export function cpuShares(milliCpu: number): number {
  if (milliCpu === 0) return sharesMin;
  return Math.min(sharesMax, Math.max(sharesMin, Math.floor((milliCpu * sharesPerCpu) / 1000)));
}

/** For cgroup v2, whose weights go from 1 to 10,000. */
export function cpuWeightOfShares(shares: number): number {
  return Math.max(weightMin, Math.floor(weightMin + ((shares - sharesMin) * weightSteps) / shareSteps));
}

/** The other way round; 0 when the weight is not known. */
export function cpuSharesOfWeight(weight: number): number {
  return weight === 0 ? 0 : Math.floor(sharesMin + ((weight - weightMin) * shareSteps) / weightSteps);
}

/** Microseconds of CPU time per period; 0 when there is no limit. */
function cpuQuotaUs(milliCpu: number): number {
  if (milliCpu === 0) return 0;
  return Math.max(quotaMinUs, Math.floor((milliCpu * quotaPeriodUs) / 1000));
}

/** The limit of the pod as a whole applies to a container without its own, which then sees it. */
export function boundedResources(pod: Pod, container: core.Container): core.ResourceRequirements {
  const { cpu, memory } = pod.spec.resources?.limits ?? {};
  const own = container.resources ?? {};
  if (cpu === undefined && memory === undefined) return own;
  const limits = { ...(cpu && { cpu }), ...(memory && { memory }), ...own.limits };
  return { ...own, limits };
}

export function linuxResourcesOf(
  resources: core.ResourceRequirements | undefined,
  oomScoreAdj?: number,
): LinuxResources {
  const { requests = {}, limits = {} } = resources ?? {};
  const cpuLimit = milliValueOf(limits.cpu ?? '0');
  const cpuRequest = requests.cpu === undefined ? cpuLimit : milliValueOf(requests.cpu);
  const memoryLimit = wholeValueOf(limits.memory ?? '0');
  return {
    cpuShares: cpuShares(cpuRequest),
    cpuPeriod: quotaPeriodUs,
    cpuQuota: cpuQuotaUs(cpuLimit),
    ...(memoryLimit > 0 && { memoryLimitInBytes: memoryLimit }),
    ...(oomScoreAdj !== undefined && { oomScoreAdj }),
    hugepageLimits: [
      ...hugepagesOf(Object.entries(limits).map(([name, amount]) => [name, wholeValueOf(amount)])),
    ].map(([pageSize, limit]) => ({ pageSize, limit })),
  };
}

/** Limits of a whole pod; unless every container has a limit, the pod has none. */
export interface PodLimits {
  cpuShares: number;
  /** Microseconds per 100 ms; undefined: no limit. */
  cpuQuotaUs: number | undefined;
  memoryBytes: number | undefined;
  /** By page size as the kernel writes it, e.g. `2MB`; a pod may have no pages of sizes that are not listed. */
  hugepagesBytes: Record<string, number>;
}

export function cpuRequestMilli(pod: Pod): number {
  return computePodRequests(pod, numericAmounts).get('cpu') ?? 0;
}

export function podLimitsOf(pod: Pod): PodLimits {
  const cpuMilli = boundedTotal(pod, 'cpu');
  return {
    cpuShares: cpuShares(cpuRequestMilli(pod)),
    cpuQuotaUs: cpuMilli === undefined ? undefined : cpuQuotaUs(cpuMilli),
    memoryBytes: boundedTotal(pod, 'memory'),
    hugepagesBytes: Object.fromEntries(hugepagesOf(computePodRequests(pod, numericAmounts))),
  };
}

function* hugepagesOf(
  amounts: Iterable<[name: string, amount: number]>,
): Generator<[size: string, bytes: number]> {
  for (const [name, bytes] of amounts)
    if (name.startsWith(hugepagesPrefix)) yield [kernelPageSize(name.slice(hugepagesPrefix.length)), bytes];
}

const hugepagesPrefix = 'hugepages-';

/** `2Mi` is `2MB` to the kernel. */
function kernelPageSize(size: string): string {
  return `${size.replace('i', '')}B`;
}

/** A part of the pod's resources that limits neither of two pods. */
export function widerLimits(a: PodLimits, b: PodLimits): PodLimits {
  const wider = (left: number | undefined, right: number | undefined) =>
    left === undefined || right === undefined ? undefined : Math.max(left, right);
  return {
    cpuShares: Math.max(a.cpuShares, b.cpuShares),
    cpuQuotaUs: wider(a.cpuQuotaUs, b.cpuQuotaUs),
    memoryBytes: wider(a.memoryBytes, b.memoryBytes),
    // A change of resources leaves these as they are.
    hugepagesBytes: a.hugepagesBytes,
  };
}

/** Undefined unless the pod itself or every one of its containers has a limit; zero is none, as upstream counts. */
export function boundedTotal(pod: Pod, resource: string): number | undefined {
  const { containers, initContainers = [], resources } = pod.spec;
  const isBounded = (bounds: core.ResourceRequirements | undefined) =>
    numericAmounts.parse(resource, bounds?.limits?.[resource] ?? '0') > 0;
  const all = [...containers, ...initContainers];
  if (!isBounded(resources) && !all.every((container) => isBounded(container.resources))) return undefined;
  return computePodLimits(pod, numericAmounts).get(resource);
}
