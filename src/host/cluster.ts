/**
 * Brings a cluster of this machine up, and takes it down. Every step checks what exists, so that `up` also repairs, and
 * restarts what runs with other settings or from another version of the program.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { allEnded } from '../base/async/all-ended.ts';
import { replaceFile } from '../base/system/replace-file.ts';
import { apiProbe } from './api-probe.ts';
import { removeCgroup, removeEmptyParents } from './cgroup.ts';
import {
  agentLogFile,
  agentRecordFile,
  type ClusterContext,
  serverLogFile,
  serverRecordFile,
} from './cluster-context.ts';
import {
  bridgeName,
  type ClusterRecord,
  checkName,
  clusterCgroup,
  listClusterRecords,
  loadClusterRecord,
  newClusterRecord,
  saveClusterRecord,
} from './cluster-record.ts';
import type { ClusterFolder, DataFolder } from './data-folder.ts';
import { Failure } from './failure.ts';
import { ensureClusterPki, ensureNodePki } from './keys/cluster-pki.ts';
import { emptyLockedFolder, withFolderLock } from './lock.ts';
import { inspectMachine, type Machine } from './machine.ts';
import {
  chooseSubnet,
  ensureBridge,
  firstNodeIndex,
  hostAddress,
  hostHasDefaultRoute,
  loadBalancerIndexMin,
  nodeAddress,
  removeBridge,
  usedPrefixes,
} from './network/link.ts';
import { choosePool, type LoadBalancerPool, subnetOfPool } from './network/load-balancer-pool.ts';
import { anyFreePort, claimPort, firstApiPort, type PortClaim } from './network/ports.ts';
import { kubernetesServiceAddress } from './network/service-range.ts';
import { closeUplink, openUplink } from './network/uplink.ts';
import { ensureNode, type NodeContext, stopNode } from './node.ts';
import { agentInForce, ensureAgent } from './processes/agent-process.ts';
import { fillCompileCache } from './processes/compile-cache.ts';
import { runningProcess } from './processes/process.ts';
import type { ApiServerSettings } from './processes/process-config.ts';
import {
  ensureServer,
  serverInForce,
  serverPlace,
  stopServer,
  waitForServer,
} from './processes/server-process.ts';
import { expectWithin, readyNodes, thisSecond } from './readiness.ts';
import { keepRegistries } from './registries.ts';
import { startSupervision, stopSupervision } from './supervision/supervisor.ts';

export interface UpOptions {
  name: string;
  /** How many nodes the cluster should have; those that are there are kept. */
  nodes?: number;
  /** Simulated nodes instead of real ones; fixed when the cluster is made. */
  simulate?: number;
  offline?: boolean;
  /** A KubeSchedulerConfiguration, kept for later starts. */
  schedulerConfigFile?: string;
  /** Kept like the scheduler's configuration. */
  api?: ApiServerSettings;
  /** Kept for later starts; a new cluster's link follows it. */
  loadBalancerPool?: LoadBalancerPool;
  /** A KubeletConfiguration, kept for later starts. */
  kubeletConfiguration?: object;
  /** As {@link keepRegistries} takes it. */
  registriesFolder?: string;
}

const apiPortsTried = 200;
const nodeReadyMs = 180_000;
const nodesMax = loadBalancerIndexMin - firstNodeIndex;

export async function up(context: ClusterContext, options: UpOptions): Promise<ClusterRecord> {
  checkName('cluster', options.name);
  const folder = context.data.cluster(options.name);
  return await withFolderLock(folder, async () => {
    const isServing = runningProcess(serverRecordFile(folder)) !== undefined;
    const record = await prepareRecord(context, options).catch((error: unknown) => {
      // What was kept for a cluster that there will not be would hold for a later one of that name.
      if (!loadClusterRecord(folder)) emptyLockedFolder(folder);
      throw error;
    });
    const claim = isServing ? undefined : await claimApiPort(context.data, record);
    try {
      if (claim) record.apiPort = claim.port;
      if (claim && record.simulatedNodes === 0) record.mirrorPort = await anyFreePort();
      saveClusterRecord(folder, record);
      await (record.simulatedNodes > 0 ? upSimulated(context, record) : upReal(context, record));
      return record;
    } finally {
      claim?.release();
    }
  });
}

/** Ends the cluster's processes and releases what it holds of the machine; its state stays on disk. */
export async function down(context: ClusterContext, name: string): Promise<void> {
  const folder = context.data.cluster(name);
  await withFolderLock(folder, async () => {
    const record = loadClusterRecord(folder);
    if (record) await stopCluster(context, record);
  });
}

export async function deleteCluster(context: ClusterContext, name: string): Promise<void> {
  const folder = context.data.cluster(name);
  await withFolderLock(folder, async () => {
    const record = loadClusterRecord(folder);
    if (record) await stopCluster(context, record);
    emptyLockedFolder(folder);
  });
}

async function prepareRecord(context: ClusterContext, options: UpOptions): Promise<ClusterRecord> {
  const folder = context.data.cluster(options.name);
  const record = loadClusterRecord(folder) ?? newClusterRecord(options.name, 0);
  const isNew = record.apiPort === 0;
  if (isNew) record.simulatedNodes = options.simulate ?? 0;
  else if (options.simulate !== undefined && options.simulate > 0 !== record.simulatedNodes > 0)
    throw new Failure(
      `cluster ${record.name} was made ${record.simulatedNodes > 0 ? 'simulated' : 'with real nodes'}`,
      {
        advice: `delete it first (wherry delete --name ${record.name}), or choose another name`,
      },
    );
  // First what can be refused without a trace: the rest is kept in files.
  if (record.simulatedNodes === 0) growNodes(record, options.nodes ?? Math.max(1, record.nodes.length));
  if (options.offline !== undefined) record.offline = options.offline;
  if (options.loadBalancerPool) choosePool(record, options.loadBalancerPool);
  if (options.schedulerConfigFile !== undefined) {
    mkdirSync(folder.path, { recursive: true });
    replaceFile(folder.schedulerConfig, readFileSync(options.schedulerConfigFile));
  }
  if (options.api !== undefined) {
    mkdirSync(folder.path, { recursive: true });
    replaceFile(folder.apiServerSettings, JSON.stringify(options.api, undefined, 2), 0o600);
  }
  if (options.kubeletConfiguration !== undefined) {
    mkdirSync(folder.path, { recursive: true });
    replaceFile(folder.kubeletConfig, JSON.stringify(options.kubeletConfiguration));
  }
  if (options.registriesFolder !== undefined) keepRegistries(options.registriesFolder, folder.registries);
  return record;
}

function growNodes(record: ClusterRecord, count: number): void {
  if (count > nodesMax) throw new Failure(`a cluster on one machine has at most ${nodesMax} nodes`);
  while (record.nodes.length < count) addNodeRecord(record);
}

export function addNodeRecord(record: ClusterRecord, name?: string): void {
  const taken = new Set(record.nodes.map((node) => node.index));
  let index = firstNodeIndex;
  while (taken.has(index)) index++;
  const chosen = name ?? nextNodeName(record);
  checkName('node', chosen);
  record.nodes.push({ name: chosen, index });
}

/** `wherry`, `wherry-2`, … for the cluster `wherry`. */
function nextNodeName(record: ClusterRecord): string {
  const taken = new Set(record.nodes.map((node) => node.name));
  for (let number = 1; ; number++) {
    const name = number === 1 ? record.name : `${record.name}-${number}`;
    if (!taken.has(name)) return name;
  }
}

/** Held until the server listens: another cluster that starts meanwhile takes the next one. */
async function claimApiPort(data: DataFolder, record: ClusterRecord): Promise<PortClaim> {
  const others = listClusterRecords(data).filter((other) => other.name !== record.name);
  const reserved = new Set(others.map((other) => other.apiPort));
  const usual = Array.from({ length: apiPortsTried }, (_, index) => firstApiPort + index);
  const candidates = [record.apiPort, ...usual].filter((port) => port > 0 && !reserved.has(port));
  const claim = await claimPort(candidates);
  if (!claim) throw new Failure(`no port from ${firstApiPort} on is free for the API server`);
  return claim;
}

async function upSimulated(context: ClusterContext, record: ClusterRecord): Promise<void> {
  const folder = context.data.cluster(record.name);
  const place = serverPlace(record);
  const isNew = !serverInForce(context, record, place);
  const since = { ms: thisSecond(), mustBeFresh: () => isNew };
  await allEnded([
    fillCompileCache(context, [context.programs.server]),
    context.steps.run('Keys and certificates', () =>
      ensureClusterPki(folder.pki, {
        addresses: [],
        dnsNames: [],
        serviceAddress: kubernetesServiceAddress(record.serviceCidr),
      }),
    ),
  ]);
  const title = `Control plane with ${record.simulatedNodes} simulated node${record.simulatedNodes > 1 ? 's' : ''}`;
  await context.steps.run(title, () => startServer(context, record));
  await startSupervision(context, record, place.cgroupProcs);
  await context.steps.run('Nodes are Ready', () => waitForNodes(context, record, since));
}

async function upReal(context: ClusterContext, record: ClusterRecord): Promise<void> {
  const { data, programs, steps } = context;
  const folder = data.cluster(record.name);
  const machine = inspectMachine();
  const subnet = await ensureLink(context, record);
  const cluster = { ...record, subnet };
  const host = hostAddress(cluster);
  const compiled = fillCompileCache(context, [programs.server, programs.agent]);
  // Its failure is reported where it is awaited.
  compiled.catch(() => undefined);
  await steps.run('Keys and certificates', async () => {
    const serviceAddress = kubernetesServiceAddress(record.serviceCidr);
    await ensureClusterPki(folder.pki, {
      addresses: [host],
      dnsNames: ['host.wherry.internal'],
      serviceAddress,
    });
    for (const node of record.nodes)
      await ensureNodePki(folder.node(node.name).pki, folder.pki, {
        name: node.name,
        address: nodeAddress(cluster, node.index),
      });
  });
  const nodeContext: NodeContext = { data, machine, cluster, visible: [programs.root] };
  const wanted = record.nodes.filter((node) => !node.stopped);
  const silent = wanted.filter((node) => !agentInForce(context, cluster, node));
  const starting = new Set(silent.map((node) => node.name));
  const since = { ms: thisSecond(), mustBeFresh: (name: string) => starting.has(name) };
  await allEnded([
    compiled.then(() =>
      steps.run('API server, controllers and scheduler', () => startServer(context, record)),
    ),
    ...wanted.map((node) =>
      steps.run(`Node ${node.name}: its own namespaces and containerd`, () =>
        ensureNode(nodeContext, node, async (created) => {
          await compiled;
          await ensureAgent(context, cluster, created);
        }),
      ),
    ),
  ]);
  await startSupervision(context, record, serverPlace(record).cgroupProcs);
  const title = wanted.length === 1 ? `Node ${wanted[0]!.name} is Ready` : `${wanted.length} nodes are Ready`;
  await steps.run(title, () => waitForNodes(context, record, since));
}

/** The bridge, on a free address range; and the uplink, if wanted. */
async function ensureLink(context: ClusterContext, record: ClusterRecord): Promise<string> {
  const folder = context.data.cluster(record.name);
  const bridge = bridgeName(record);
  const used = await usedPrefixes(bridge);
  const reserved = listClusterRecords(context.data)
    .filter((other) => other.name !== record.name && other.subnet)
    .map((other) => `${other.subnet}.0/24`);
  const isBusy = (subnet: string) => chooseSubnet(used, Number(subnet.split('.')[2])) !== subnet;
  if (record.loadBalancerPool) {
    const subnet = subnetOfPool(record.loadBalancerPool);
    if (isBusy(subnet) || (!record.subnet && reserved.includes(`${subnet}.0/24`)))
      throw new Failure(`${subnet}.0/24, where the load-balancer pool is, is in use on this machine`, {
        advice: `delete the cluster (wherry delete --name ${record.name}) and choose another pool`,
      });
    record.subnet = subnet;
    saveClusterRecord(folder, record);
  } else if (!record.subnet || isBusy(record.subnet)) {
    record.subnet = chooseSubnet([...used, ...reserved], Number.parseInt(record.id.slice(0, 2), 16));
    saveClusterRecord(folder, record);
  }
  const link = { bridge, subnet: record.subnet };
  await ensureBridge(link);
  if (!record.offline && hostHasDefaultRoute()) await openUplink(link, [record.serviceCidr, record.podCidr]);
  return record.subnet;
}

async function startServer(context: ClusterContext, record: ClusterRecord): Promise<void> {
  await waitForServer(context, record, await ensureServer(context, record));
}

async function waitForNodes(
  context: ClusterContext,
  record: ClusterRecord,
  since: Parameters<typeof readyNodes>[1],
): Promise<void> {
  const folder = context.data.cluster(record.name);
  const server = runningProcess(serverRecordFile(folder));
  if (!server) throw new Failure('the API server has ended', { logFile: serverLogFile(folder) });
  const probe = apiProbe({ host: '127.0.0.1', port: record.apiPort, pkiFolder: folder.pki });
  const wanted = record.nodes.filter((node) => !node.stopped).map((node) => node.name);
  const agent = wanted[0] ? runningProcess(agentRecordFile(folder, wanted[0])) : server;
  await expectWithin({
    problem: 'a node does not become Ready',
    async condition() {
      const answer = await probe.get('/api/v1/nodes');
      if (answer?.status !== 200) return undefined;
      const ready = readyNodes(answer.body, since);
      const enough =
        record.simulatedNodes > 0
          ? ready.size >= record.simulatedNodes
          : wanted.every((name) => ready.has(name));
      return enough || undefined;
    },
    process: server,
    logFile: wanted[0] ? agentLogFile(folder, wanted[0]) : serverLogFile(folder),
    logStart: agent?.logStart,
    limitMs: nodeReadyMs,
  });
}

async function stopCluster(context: ClusterContext, record: ClusterRecord): Promise<void> {
  const { data, steps } = context;
  const folder = data.cluster(record.name);
  await stopSupervision(folder);
  if (record.simulatedNodes > 0 || !record.subnet) {
    await steps.run('Stopping the control plane', () => stopServer(folder));
    return;
  }
  const nodeContext = nodeContextOf(context, record)!;
  const { machine } = nodeContext;
  await allEnded([
    ...record.nodes.map((node) =>
      steps.run(`Stopping node ${node.name}`, () => stopLocalNode(nodeContext, folder, node)),
    ),
    steps.run('Stopping the control plane', () => stopServer(folder)),
  ]);
  await leaveMachine(record, machine);
}

/** Undefined for a cluster that never had a real node. */
export function nodeContextOf(
  { data, programs }: ClusterContext,
  record: ClusterRecord,
): NodeContext | undefined {
  if (!record.subnet) return undefined;
  const cluster = { ...record, subnet: record.subnet };
  return { data, machine: inspectMachine(), cluster, visible: [programs.root] };
}

async function stopLocalNode(
  context: NodeContext,
  folder: ClusterFolder,
  node: ClusterRecord['nodes'][number],
): Promise<void> {
  await stopNode(context, node);
  rmSync(agentRecordFile(folder, node.name), { force: true });
}

/** Releases what the cluster holds of the machine besides processes. */
async function leaveMachine(record: ClusterRecord, machine: Machine): Promise<void> {
  await removeCgroup(machine.cgroups, clusterCgroup(record));
  removeEmptyParents(machine.cgroups, clusterCgroup(record));
  const link = { bridge: bridgeName(record), subnet: record.subnet! };
  await closeUplink(link);
  await removeBridge(link.bridge);
}
