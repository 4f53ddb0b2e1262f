/** Has a node make, remove or empty a directory of its disk, through the API server's way to the node. */
import type { Node, PersistentVolume } from '../../api/resources.gen.ts';
import { reachesNode } from '../../api/volume-binding.ts';
import type { Client } from '../../client/client.ts';
import { nodeCondition } from '../nodes/node-state.ts';

/** What the node is to do with the directory at `path`. */
export interface DirectoryRequest {
  action: 'create' | 'delete' | 'scrub';
  path: string;
}

/** Nodes without a server of their own (simulated ones) have no disk either. */
export async function onNodeDirectory(
  client: Client,
  node: Node,
  request: DirectoryRequest,
  signal: AbortSignal,
): Promise<void> {
  if (!node.status?.daemonEndpoints?.kubeletEndpoint?.Port) return;
  // A node that is off is dialled for long, and other volumes would wait meanwhile.
  if (nodeCondition(node, 'Ready')?.status !== 'True')
    throw new Error(`node ${node.metadata.name} is not ready`);
  const proxied = `/api/v1/nodes/${encodeURIComponent(node.metadata.name)}/proxy/directories`;
  await client.raw('POST', proxied, request, signal);
}

/** The directory of a volume on a node's disk; undefined for volumes elsewhere. */
export function directoryOf({ spec }: PersistentVolume): string | undefined {
  return spec?.hostPath?.path ?? spec?.local?.path;
}

/** The nodes whose disk the volume may be on. */
export function nodesOf(volume: PersistentVolume, nodes: Iterable<Node>): Node[] {
  return [...nodes].filter((node) => reachesNode(volume, node));
}
