/** Host ports of the node's pods: traffic for the node's own addresses that goes to a container's port. */
import type { Pod } from '../../api/resources.gen.ts';
import type { Element } from './rules.ts';

/**
 * As upstream, those of init containers have no effect, nor do those of sidecars.
 * None for pods that share the node's network (they listen there themselves), have no address or have ended.
 */
export function computeHostPortRules(pod: Pod | undefined): Element[] {
  const address = pod?.status?.podIP;
  if (!pod?.spec || pod.spec.hostNetwork || !address?.includes('.')) return [];
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return [];
  const elements = pod.spec.containers.flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, hostIP, containerPort, protocol = 'TCP' }): Element[] => {
      if (!hostPort) return [];
      const port = `${protocol.toLowerCase()} . ${hostPort}`;
      const value = `${address} . ${containerPort}`;
      const isAnyAddress = !hostIP || hostIP === '0.0.0.0';
      return [
        isAnyAddress
          ? { set: 'hostports', key: port, value }
          : { set: 'hostports-at', key: `${hostIP} . ${port}`, value },
      ];
    }),
  );
  if (elements.length === 0) return [];
  return [...elements, { set: 'hairpin', key: `${address} . ${address}`, value: '' }];
}
