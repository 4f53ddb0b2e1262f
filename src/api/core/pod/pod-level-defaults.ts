/** Amounts of a pod as a whole that follow from its other amounts: of pods only, never of templates. */
import { computePodLimits, computePodRequests, exactAmounts } from '../../quantities/pod-resources.ts';
import { formatQuantity } from '../../quantities/quantity.ts';
import type { Pod } from '../../resources.gen.ts';

const isHugePages = (name: string) => name.startsWith('hugepages-');
const isOfPods = (name: string) => name === 'cpu' || name === 'memory' || isHugePages(name);

/**
 * After the defaults of the containers. A pod that limits anything requests of cpu and memory what its containers do, and
 * of the rest what it is limited to. Huge pages cannot be overcommitted: they are limited to what the containers may have.
 */
export function defaultPodLevelResources({ spec }: Pod): void {
  const own = spec?.resources;
  if (!spec || !own) return;
  const { containers, initContainers } = spec;
  const parts = { spec: { containers, ...(initContainers && { initContainers }) } } as Pod;
  const requests = { ...own.requests };
  const limits = { ...own.limits };
  if (isEmpty(requests) && isEmpty(limits)) return;
  for (const [name, amount] of computePodLimits(parts, exactAmounts))
    if (isHugePages(name) && requests[name] === undefined) limits[name] ??= formatQuantity(amount);
  if (isEmpty(limits)) return;
  for (const [name, amount] of computePodRequests(parts, exactAmounts))
    if (isOfPods(name) && !isHugePages(name)) requests[name] ??= formatQuantity(amount);
  for (const [name, limit] of Object.entries(limits)) if (isOfPods(name)) requests[name] ??= limit;
  // The old lists may be shared with others: they are replaced, not filled.
  spec.resources = { ...own, limits, ...(!isEmpty(requests) && { requests }) };
}

function isEmpty(amounts: Record<string, string>): boolean {
  return Object.keys(amounts).length === 0;
}
