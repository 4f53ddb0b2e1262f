/**
 * The extended resources of a pod as requests for devices, and which container uses which of them. Pure; names and
 * sharing are upstream's: an init container that ends may use what a later container is going to have.
 */
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import { wholeValueOf } from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type { Container, ContainerExtendedResourceRequest } from '../../api/types/core-v1.gen.ts';
import type { DeviceRequest } from '../../api/types/resource-v1.gen.ts';

export interface ExtendedRequests {
  requests: DeviceRequest[];
  mappings: ContainerExtendedResourceRequest[];
}

/** A request of one container. */
interface Ask {
  name: string;
  count: number;
}

/** What a container uses: requests by name. */
interface Use {
  container: string;
  names: string[];
}

/** `classNames`: by resource, for those that devices are to provide. */
export function planExtendedRequests(pod: Pod, classNames: ReadonlyMap<string, string>): ExtendedRequests {
  const requests: DeviceRequest[] = [];
  const mappings: ContainerExtendedResourceRequest[] = [];
  for (const resourceName of [...classNames.keys()].sort()) {
    const { asks, uses } = planResource(pod, resourceName);
    const deviceClassName = classNames.get(resourceName)!;
    for (const { name, count } of asks)
      requests.push({ name, exactly: { deviceClassName, allocationMode: 'ExactCount', count } });
    for (const { container, names } of uses)
      for (const requestName of names) mappings.push({ containerName: container, resourceName, requestName });
  }
  requests.sort((left, right) => (left.name < right.name ? -1 : 1));
  return { requests, mappings };
}

function planResource({ spec }: Pod, resource: string): { asks: Ask[]; uses: Use[] } {
  const { initContainers = [], containers } = spec;
  const all = [...initContainers, ...containers];
  const isPassing = (index: number) => index < initContainers.length && !isSidecar(all[index]!);
  /** By container. */
  const kept = all.map((container, index) =>
    isPassing(index) ? undefined : askOf(container, index, resource),
  );
  const uses: Use[] = [];
  for (const [index, ask] of kept.entries())
    if (ask) uses.push({ container: all[index]!.name, names: [ask.name] });

  /** Init containers run one after another: the largest of their own requests serves them all. */
  let largest: Ask | undefined;
  const passing = all.flatMap((container, index) => {
    const ask = isPassing(index) ? askOf(container, index, resource) : undefined;
    if (!ask) return [];
    const { reused, own } = withReuse(ask, kept.slice(index));
    if (own && (!largest || own.count > largest.count)) largest = own;
    return [{ container: container.name, reused, own }];
  });
  for (const { container, reused, own } of passing)
    uses.push({ container, names: own ? [...reused, largest!.name] : reused });
  const asks = kept.filter((ask) => ask !== undefined);
  return { asks: largest ? [largest, ...asks] : asks, uses };
}

function askOf({ resources }: Container, index: number, resource: string): Ask | undefined {
  const amount = resources?.requests?.[resource];
  const count = amount === undefined ? 0 : wholeValueOf(amount);
  if (count === 0) return undefined;
  const at = Object.keys(resources!.requests!).sort().indexOf(resource);
  return { name: `container-${index}-request-${at}`, count };
}

/** As many of the requests of later containers as it takes, and what is missing then. */
function withReuse(
  { name, count }: Ask,
  later: readonly (Ask | undefined)[],
): { reused: string[]; own: Ask | undefined } {
  const reused: string[] = [];
  let missing = count;
  for (const ask of later) {
    if (missing <= 0) break;
    if (!ask) continue;
    reused.push(ask.name);
    missing -= ask.count;
  }
  return { reused, own: missing > 0 ? { name, count: missing } : undefined };
}
