/** A node of this machine, from nothing to a responding containerd: every step checks what already exists. */
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { allEnded } from '../../base/async/all-ended.ts';
import { bridgeName, type ClusterRecord, type NodeRecord, nodeCgroup } from '../cluster/cluster-record.ts';
import type { DataFolder, NodeFolder } from '../data-folder.ts';
import { ensurePauseArchive, loadImageArchive } from '../images/load.ts';
import type { Machine } from '../machine/machine.ts';
import {
  attachNode,
  detachNode,
  ensureNodeRoutes,
  hostAddress,
  hostHasDefaultRoute,
  isAttached,
  nodeAddress,
} from '../network/link.ts';
import { hostResolvConf } from '../network/resolv-conf.ts';
import { ensureCgroup, removeCgroup, removeEmptyParents, thawCgroup } from './cgroup.ts';
import {
  containerdLogFile,
  containerdSocketOnHost,
  ensureContainerd,
  findContainerd,
  pauseImage,
  waitForContainerd,
  writeMirrorConfig,
} from './containerd.ts';
import { keepReserve } from './containerd-reserve.ts';
import {
  createNodeNamespace,
  destroyNodeNamespace,
  findNodeNamespace,
  type NodeNamespace,
  writeHostsFile,
} from './node-namespace.ts';
import { giveRegistries, registriesOf } from './registries.ts';

export interface NodeContext {
  data: DataFolder;
  machine: Machine;
  cluster: ClusterRecord & { subnet: string };
  /** Folders that processes of the node must find at their own paths: the program itself. */
  visible: readonly string[];
}

export interface LocalNode {
  record: NodeRecord;
  folder: NodeFolder;
  namespace: NodeNamespace;
  address: string;
  /** The group under which pods get theirs. */
  cgroupRoot: string;
  /** `cgroup.procs` files of the node's own processes but its agent. */
  systemCgroupProcs: readonly string[];
  /** `cgroup.procs` files of the agent. */
  agentCgroupProcs: readonly string[];
}

/**
 * The agent has a group of its own: in one with all that containerd starts, a hundred pods that end at once would leave
 * it too little processor time even to renew the node's lease.
 */
export function ensureNodeCgroups(
  machine: Machine,
  cgroupRoot: string,
): Pick<LocalNode, 'systemCgroupProcs' | 'agentCgroupProcs'> {
  return {
    systemCgroupProcs: ensureCgroup(machine.cgroups, `${cgroupRoot}/system`),
    agentCgroupProcs: ensureCgroup(machine.cgroups, `${cgroupRoot}/agent`),
  };
}

/** `onNamespace` runs as soon as the node can be entered, while containerd starts. */
export async function ensureNode(
  context: NodeContext,
  record: NodeRecord,
  onNamespace: (node: LocalNode) => Promise<unknown> = () => Promise.resolve(),
): Promise<LocalNode> {
  const node = await ensureNamespace(context, record);
  const { cluster, data, machine } = context;
  const mirror = cluster.mirrorPort && `http://${hostAddress(cluster)}:${cluster.mirrorPort}`;
  giveRegistries(data.cluster(cluster.name).registries, registriesOf(node.folder));
  await allEnded([ensureRuntime({ data, machine, ...(mirror && { mirror }) }, node), onNamespace(node)]);
  return node;
}

/** A containerd that answers, and has the image that pods begin with. */
export async function ensureRuntime(
  context: Pick<NodeContext, 'data' | 'machine'> & { mirror?: string },
  node: Pick<LocalNode, 'folder' | 'namespace' | 'systemCgroupProcs'>,
): Promise<void> {
  const isAdopted = findContainerd(node.folder) !== undefined;
  const registries = registriesOf(node.folder);
  if (context.mirror) writeMirrorConfig(registries, context.mirror);
  const containerd = await ensureContainerd({
    registryConfigFolder: registries,
    folder: node.folder,
    namespace: node.namespace,
    cgroupProcs: node.systemCgroupProcs,
    restrictOomScore: !context.machine.hasResourceCapability,
  });
  const logFile = containerdLogFile(node.folder);
  await waitForContainerd(containerd, logFile, () => accepts(containerdSocketOnHost(node.namespace)));
  keepReserve(node.folder);
  if (!isAdopted) await loadImageArchive(node.namespace, ensurePauseArchive(context.data, pauseImage));
}

/** Ends everything that runs in the node; its folder stays. */
export async function stopNode(context: NodeContext, record: NodeRecord): Promise<void> {
  const { cluster, data, machine } = context;
  const cgroup = nodeCgroup(cluster, record.name);
  await endNodeProcesses(machine, data.cluster(cluster.name).node(record.name), cgroup);
  removeEmptyParents(machine.cgroups, cgroup);
  await detachNode(bridgeName(cluster), record.index);
}

/** Its first process, its pods and whatever else is in its namespaces or its control group, which is removed. */
export async function endNodeProcesses(machine: Machine, folder: NodeFolder, cgroup: string): Promise<void> {
  // A namespace ends with its last process, which may be in a pod that somebody has frozen.
  thawCgroup(machine.cgroups, cgroup);
  await destroyNodeNamespace(folder);
  await removeCgroup(machine.cgroups, cgroup);
}

async function ensureNamespace(context: NodeContext, record: NodeRecord): Promise<LocalNode> {
  const { cluster, data, machine } = context;
  const folder = data.cluster(cluster.name).node(record.name);
  const cgroupRoot = nodeCgroup(cluster, record.name);
  const hosts = [
    { address: hostAddress(cluster), names: ['host.wherry.internal'] },
    ...cluster.nodes.map((node) => ({ address: nodeAddress(cluster, node.index), names: [node.name] })),
  ];
  let namespace = findNodeNamespace(folder);
  if (namespace) writeHostsFile({ folder, name: record.name, hosts });
  else {
    // What is left of a node whose holder was killed ends first.
    await endNodeProcesses(machine, folder, cgroupRoot);
    namespace = await createNodeNamespace({
      name: record.name,
      folder,
      visible: [data.path, ...context.visible],
      hosts,
      resolvConf: hostResolvConf(),
      cgroupProcs: ensureNodeCgroups(machine, cgroupRoot).systemCgroupProcs,
    });
  }
  const link = { bridge: bridgeName(cluster), subnet: cluster.subnet };
  const nodeLink = {
    index: record.index,
    serviceCidr: cluster.serviceCidr,
    defaultRoute: !cluster.offline && hostHasDefaultRoute(),
  };
  if (isAttached(link.bridge, record.index)) await ensureNodeRoutes(link, nodeLink, namespace);
  else await attachNode(link, nodeLink, namespace);
  return {
    record,
    folder,
    namespace,
    address: nodeAddress(cluster, record.index),
    cgroupRoot,
    ...ensureNodeCgroups(machine, cgroupRoot),
  };
}

/** True when something takes connections on the socket. */
export function accepts(socketPath: string): Promise<boolean> {
  if (!existsSync(socketPath)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = createConnection(socketPath);
    socket.once('connect', () => {
      // One that hangs would not close its end, and this process not end before it does.
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
