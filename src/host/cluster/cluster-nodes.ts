/** Single nodes of a cluster of this machine: added, stopped, started again and removed. */
import { rmSync } from 'node:fs';
import { nodeContextOf } from '../cluster.ts';
import { Failure } from '../failure.ts';
import { withFolderLock } from '../lock.ts';
import { stopNode } from '../node/node.ts';
import { updateWatchList } from '../supervision/watch-list.ts';
import { agentRecordFile, type ClusterContext } from './cluster-context.ts';
import { addNodeRecord } from './cluster-options.ts';
import {
  type ClusterRecord,
  loadClusterRecord,
  type NodeRecord,
  noSuchCluster,
  saveClusterRecord,
} from './cluster-record.ts';

/** Notes a node that the next `up` makes. @returns its name */
export async function planNode(context: ClusterContext, cluster: string, name?: string): Promise<string> {
  return await changeRecord(context, cluster, async (record) => {
    if (record.simulatedNodes > 0)
      throw new Failure('the nodes of this cluster are simulated; it takes no real ones');
    if (name !== undefined && record.nodes.some((node) => node.name === name))
      throw new Failure(`cluster ${cluster} has a node ${name} already`);
    addNodeRecord(record, name);
    return record.nodes.at(-1)!.name;
  });
}

/** Stops the node as a power cut would: without notice, its pods gone. `up` leaves it alone until it is started. */
export async function stopOneNode(context: ClusterContext, cluster: string, name: string): Promise<void> {
  await changeRecord(context, cluster, async (record) => {
    const node = findNode(record, name);
    node.stopped = true;
    await endNode(context, record, node);
  });
}

/** Lets the next `up` start the node again. */
export async function planNodeStart(context: ClusterContext, cluster: string, name: string): Promise<void> {
  await changeRecord(context, cluster, async (record) => {
    delete findNode(record, name).stopped;
  });
}

/** Ends the node and forgets it; its object in the API is the caller's to delete. */
export async function removeOneNode(context: ClusterContext, cluster: string, name: string): Promise<void> {
  await changeRecord(context, cluster, async (record) => {
    const node = findNode(record, name);
    await endNode(context, record, node);
    record.nodes = record.nodes.filter((each) => each !== node);
    rmSync(context.data.cluster(cluster).node(name).path, { recursive: true, force: true });
  });
}

async function endNode(context: ClusterContext, record: ClusterRecord, node: NodeRecord): Promise<void> {
  // First of all, so that the supervisor does not restart it.
  const others = record.nodes.filter((each) => each !== node);
  updateWatchList(context.data.cluster(record.name), { ...record, nodes: others });
  const nodeContext = nodeContextOf(context, record);
  if (nodeContext) await stopNode(nodeContext, node);
  rmSync(agentRecordFile(context.data.cluster(record.name), node.name), { force: true });
}

async function changeRecord<Result>(
  context: ClusterContext,
  cluster: string,
  change: (record: ClusterRecord) => Promise<Result>,
): Promise<Result> {
  const folder = context.data.cluster(cluster);
  return await withFolderLock(folder, async () => {
    const record = loadClusterRecord(folder);
    if (!record) throw noSuchCluster(context.data, cluster);
    const result = await change(record);
    saveClusterRecord(folder, record);
    return result;
  });
}

function findNode(record: ClusterRecord, name: string): NodeRecord {
  const node = record.nodes.find((each) => each.name === name);
  if (node) return node;
  const names = record.nodes.map((each) => each.name).join(', ');
  throw new Failure(`cluster ${record.name} has no node ${name}; it has ${names || 'none'}`);
}
