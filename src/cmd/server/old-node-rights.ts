/** Rights that every node had before the network of a node got an account of its own. */
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';

const clusterWide = 'wherry:node-agent';
const namespaced = ['wherry:node-agent', 'wherry:node-settings'];
const namespace = 'kube-system';

/**
 * Takes from nodes what agents no longer need: with it, a node's certificate reads the pods of all others. Only for a
 * cluster whose agents all are of this version, as an older one could not follow services without it.
 */
export async function removeOldNodeRights(client: Client): Promise<void> {
  const gone = [
    ...[ClusterRoleBinding, ClusterRole].map((type) => client.delete(type, { name: clusterWide })),
    ...[RoleBinding, Role].flatMap((type) =>
      namespaced.map((name) => client.delete(type, { namespace, name })),
    ),
  ];
  await Promise.all(gone.map((deletion) => deletion.catch(undefinedIfNotFound)));
}
