/**
 * Brings a cluster of this machine up, and takes it down. Every step checks what exists, so that `up` also repairs, and
 * restarts what runs with other settings or from another version of the program.
 */
import { rmSync } from 'node:fs';
import { allEnded } from '../base/async/all-ended.ts';
import { apiProbe } from './api-probe.ts';
import {
  agentLogFile,
  agentRecordFile,
  type ClusterContext,
  serverLogFile,
  serverRecordFile,
} from './cluster/cluster-context.ts';
import { ensureLink, removeLink } from './cluster/cluster-link.ts';
import { prepareRecord, type UpOptions } from './cluster/cluster-options.ts';
import {
  type ClusterRecord,
  checkName,
  clusterCgroup,
  listClusterRecords,
  loadClusterRecord,
  type NodeRecord,
  saveClusterRecord,
} from './cluster/cluster-record.ts';
import type { ClusterFolder, DataFolder } from './data-folder.ts';
import { Failure } from './failure.ts';
import { ensureClusterPki, ensureNodePki } from './keys/cluster-pki.ts';
import { storeState } from './keys/kept-keys.ts';
import { emptyLockedFolder, withFolderLock } from './lock.ts';
import { inspectMachine, type Machine } from './machine/machine.ts';
import { hostAddress, nodeAddress } from './network/link.ts';
import { anyFreePort, claimPort, firstApiPort, type PortClaim } from './network/ports.ts';
import { kubernetesServiceAddress } from './network/service-range.ts';
import { removeCgroup, removeEmptyParents } from './node/cgroup.ts';
import { ensureNode, type NodeContext, stopNode } from './node/node.ts';
import { expectWithin, readyNodes, registeredNodes, thisSecond } from './node/readiness.ts';
import { agentInForce, ensureAgent, stopAgent } from './processes/agent-process.ts';
import { fillModuleCache } from './processes/module-cache.ts';
import { isRunning, runningProcess } from './processes/process.ts';
import {
  ensureServer,
  serverInForce,
  serverPlace,
  stopServer,
  storeFile,
  waitForServer,
} from './processes/server-process.ts';
import { startSupervision, stopSupervision } from './supervision/supervisor.ts';

const apiPortsTried = 200;
const nodeReadyMs = 180_000;

/** Makes the cluster, repairs it, or brings it to other options: whatever it lacks. @throws Failure */
export async function up(context: ClusterContext, options: UpOptions): Promise<ClusterRecord> {
  checkName('cluster', options.name);
  const folder = context.data.cluster(options.name);
  return await withFolderLock(folder, async () => {
    const isServing = runningProcess(serverRecordFile(folder)) !== undefined;
    const record = await prepareRecord(folder, options).catch(async (error: unknown) => {
      // What was kept for a cluster that there will not be would hold for a later one of that name.
      if (!loadClusterRecord(folder)) await emptyLockedFolder(folder);
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
    await emptyLockedFolder(folder);
  });
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
    fillModuleCache(context, [context.programs.server]),
    context.steps.run('Keys and certificates', () =>
      ensureClusterPki(
        folder.pki,
        { addresses: [], dnsNames: [], serviceAddress: kubernetesServiceAddress(record.serviceCidr) },
        storeState(storeFile(folder)),
      ),
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
  const subnet = await ensureLink(context.data, record);
  const cluster = { ...record, subnet };
  const host = hostAddress(cluster);
  const compiled = fillModuleCache(context, [programs.server, programs.agent]);
  // Its failure is reported where it is awaited.
  compiled.catch(() => undefined);
  await steps.run('Keys and certificates', async () => {
    const serviceAddress = kubernetesServiceAddress(record.serviceCidr);
    await ensureClusterPki(
      folder.pki,
      { addresses: [host], dnsNames: ['host.wherry.internal'], serviceAddress },
      storeState(storeFile(folder)),
    );
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
  const kept = wanted.filter((node) => !starting.has(node.name));
  for (const node of await deletedNodes(context, record, kept)) {
    // Its agent would notice only when its next status is due, minutes from now. Upstream's kubelet waits for a restart.
    starting.add(node.name);
    await steps.run(`Node ${node.name}: registered again`, async () => {
      await stopAgent(folder, node.name);
      await ensureNode(nodeContext, node, (created) => ensureAgent(context, cluster, created));
    });
  }
  await startSupervision(context, record, serverPlace(record).cgroupProcs);
  const title = wanted.length === 1 ? `Node ${wanted[0]!.name} is Ready` : `${wanted.length} nodes are Ready`;
  await steps.run(title, () => waitForNodes(context, record, since));
}

/** Those that the API server does not know, although their agents run: somebody has deleted the objects. */
async function deletedNodes(
  context: ClusterContext,
  record: ClusterRecord,
  nodes: readonly NodeRecord[],
): Promise<NodeRecord[]> {
  if (nodes.length === 0) return [];
  const { pki } = context.data.cluster(record.name);
  const answer = await apiProbe({ host: '127.0.0.1', port: record.apiPort, pkiFolder: pki }).get(
    '/api/v1/nodes',
  );
  if (answer?.status !== 200) return [];
  const registered = registeredNodes(answer.body);
  return nodes.filter((node) => !registered.has(node.name));
}

async function startServer(context: ClusterContext, record: ClusterRecord): Promise<void> {
  const place = serverPlace(record);
  const found = serverInForce(context, record, place);
  const start = async () => waitForServer(context, record, await ensureServer(context, record, place));
  try {
    await start();
  } catch (error) {
    if (!found || isRunning(found)) throw error;
    // It was about to end when it was found, killed a moment ago.
    await start();
  }
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
  const { data, programs, steps } = context;
  const folder = data.cluster(record.name);
  await stopSupervision(folder);
  if (record.simulatedNodes > 0 || !record.subnet) {
    await steps.run('Stopping the control plane', () => stopServer(folder, programs));
    return;
  }
  const nodeContext = nodeContextOf(context, record)!;
  const { machine } = nodeContext;
  await allEnded([
    ...record.nodes.map((node) =>
      steps.run(`Stopping node ${node.name}`, () => stopLocalNode(nodeContext, folder, node)),
    ),
    steps.run('Stopping the control plane', () => stopServer(folder, programs)),
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
  await removeLink(record);
}
