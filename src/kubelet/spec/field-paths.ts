/** Values of a pod's own fields and resources, for environments and downward API files. */
import { milliValueOf, wholeValueOf } from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { goQuote } from '../../base/text/go-quote.ts';

/** Facts of the node on which the pod runs. */
export interface NodeFacts {
  nodeName: string;
  hostIps: readonly string[];
  /** Used for limits that a container does not have. */
  allocatable: Record<string, string>;
}

/** @throws Error with upstream's message for a path that is not supported. */
export function fieldValue(pod: Pod, path: string, node: NodeFacts, podIps: readonly string[]): string {
  const subscript = /^(metadata\.(?:labels|annotations))\['([^']*)'\]$/.exec(path);
  if (subscript) {
    const map = subscript[1] === 'metadata.labels' ? pod.metadata.labels : pod.metadata.annotations;
    // What objects inherit (`constructor`) may well be the name of a label.
    return map && Object.hasOwn(map, subscript[2]!) ? map[subscript[2]!]! : '';
  }
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid;
    case 'metadata.labels':
      return formatMap(pod.metadata.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? node.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return node.hostIps[0] ?? '';
    case 'status.hostIPs':
      return node.hostIps.join(',');
    case 'status.podIP':
      return podIps[0] ?? '';
    case 'status.podIPs':
      return podIps.join(',');
    default:
      throw new Error(`unsupported fieldPath: ${path}`);
  }
}

/** One `key="value"` per line, sorted, values quoted as Go does it. */
function formatMap(map: Record<string, string> = {}): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${goQuote(map[key]!)}`)
    .join('\n');
}

/**
 * The amount in units of the divisor, rounded up. A container without a limit gets that of its pod, or what the node
 * has.
 */
export function resourceValue(
  { spec }: Pod,
  container: core.Container,
  selector: core.ResourceFieldSelector,
  node: NodeFacts,
): string {
  const [of, ...rest] = selector.resource.split('.');
  const name = rest.join('.');
  const own = (of === 'limits' ? container.resources?.limits : container.resources?.requests)?.[name];
  const standIns = of === 'limits' ? [spec.resources?.limits?.[name], node.allocatable[name]] : [];
  const amount = [own, ...standIns].find((text) => text !== undefined && wholeValueOf(text) > 0) ?? '0';
  const divisor = selector.divisor && selector.divisor !== '0' ? selector.divisor : '1';
  if (name === 'cpu') return String(Math.ceil(milliValueOf(amount) / milliValueOf(divisor)));
  return String(Math.ceil(wholeValueOf(amount) / wholeValueOf(divisor)));
}
