/** Has a node create, remove or empty a directory on its disk, through the API server's connection to the node. */
import type { Node, PersistentVolume } from '../../../api/resources.gen.ts';
import { reachesNode } from '../../../api/storage/volume-binding.ts';
import type { Client } from '../../../client/client.ts';
import { nodeCondition } from '../../nodes/node-state.ts';

/** What the node is to do with the directory at `path`. */
export interface DirectoryRequest {
  action: 'create' | 'delete' | 'scrub';
  path: string;
}

/** Nodes without a server (simulated ones) have no disk either. */
export async function onNodeDirectory(
  client: Client,
  node: Node,
  request: DirectoryRequest,
  signal: AbortSignal,
): Promise<void> {
  if (!node.status?.daemonEndpoints?.kubeletEndpoint?.Port) return;
  // Connecting to a node that is off takes long, and would delay other volumes.
  if (nodeCondition(node, 'Ready')?.status !== 'True')
    throw new Error(`node ${node.metadata.name} is not ready`);
  const proxied = `/api/v1/nodes/${encodeURIComponent(node.metadata.name)}/proxy/directories`;
  await client.raw('POST', proxied, request, signal);
}

/** The directory of a volume on a node's disk; undefined for volumes elsewhere. */
export function directoryOf({ spec }: Pick<PersistentVolume, 'spec'>): string | undefined {
  return spec?.hostPath?.path ?? spec?.local?.path;
}

/** The nodes on whose disk the volume may be. */
export function nodesOf(volume: PersistentVolume, nodes: Iterable<Node>): Node[] {
  return [...nodes].filter((node) => reachesNode(volume, node));
}
