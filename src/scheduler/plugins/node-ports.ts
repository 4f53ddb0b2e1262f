/** Two pods cannot listen on the same port of a node. */
import type { Pod } from '../../api/resources.gen.ts';
import { type Plugin, skip, unschedulable } from '../framework/plugin.ts';
import { createPodInfo, type HostPort } from '../framework/pod-info.ts';

const portTaken = unschedulable("node(s) didn't have free ports for the requested pod ports");

export function nodePorts(): Plugin<readonly HostPort[]> {
  return {
    name: 'NodePorts',
    isNodeLocal: true,
    retryRules: [
      {
        resource: 'AssignedPod',
        changes: ['delete'],
        helps: ({ hostPorts }, { old }) =>
          createPodInfo(old as Pod).hostPorts.some((freed) =>
            hostPorts.some((wanted) => wanted.port === freed.port && wanted.protocol === freed.protocol),
          ),
      },
      { resource: 'Node', changes: ['add'] },
    ],
    preFilter: ({ hostPorts }) => (hostPorts.length === 0 ? skip : { kind: 'continue', state: hostPorts }),
    filter: (_, node, wanted) =>
      wanted.some((port) => node.conflictsWithPort(port)) ? portTaken : undefined,
  };
}
