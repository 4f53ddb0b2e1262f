/** This whole machine as a node of a cluster elsewhere: a containerd of its own, and the machine's own network. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { nodeFlags } from '../cluster/cluster-context.ts';
import { type DataFolder, type NodeFolder, nodeFolder } from '../data-folder.ts';
import type { Machine } from '../machine/machine.ts';
import { ensureServiceRoute, removeServiceRoute } from '../network/link.ts';
import { hostResolvConf } from '../network/resolv-conf.ts';
import { agentProgram } from '../processes/agent-process.ts';
import { type ProcessIdentity, runningProcess, startProcess, stopRecorded } from '../processes/process.ts';
import { planRestarts, type RestartHistories } from '../supervision/restart-plan.ts';
import { removeEmptyParents } from './cgroup.ts';
import { containerdRecordFile } from './containerd.ts';
import { endNodeProcesses, ensureNodeCgroups, ensureRuntime, type LocalNode } from './node.ts';
import { createNodeNamespace, findNodeNamespace, holderRecordFile } from './node-namespace.ts';

export interface MachineNodeOptions {
  data: DataFolder;
  machine: Machine;
  /** Folders that must be visible to the node: the program itself. */
  visible: readonly string[];
  nodeName: string;
  serviceCidr: string;
  address: string;
}

export type MachineNode = Omit<LocalNode, 'record' | 'address'>;

const stopGraceMs = 3000;
const watchMs = 500;

export const machineNodeFolder = (data: DataFolder, nodeName: string): NodeFolder =>
  nodeFolder(join(data.path, 'agent', nodeName));
/** Of one data folder only: nodes of the same name that belong to two of them never end each other's processes. */
function cgroupOf(data: DataFolder, nodeName: string): string {
  const id = createHash('sha256').update(data.path).digest('hex').slice(0, 6);
  return `/wherry/agent-${id}/${nodeName}`;
}
const agentRecordFile = (folder: NodeFolder) => join(folder.run, 'agent.json');
export const machineAgentLog = (folder: NodeFolder) => join(folder.logs, 'agent.log');

export async function ensureMachineNode(options: MachineNodeOptions): Promise<MachineNode> {
  const { data, machine, nodeName } = options;
  const folder = machineNodeFolder(data, nodeName);
  const cgroupRoot = cgroupOf(data, nodeName);
  let namespace = findNodeNamespace(folder);
  if (!namespace) {
    await endNodeProcesses(machine, folder, cgroupRoot);
    namespace = await createNodeNamespace({
      name: nodeName,
      folder,
      visible: [data.path, ...options.visible],
      hosts: [],
      resolvConf: hostResolvConf(),
      cgroupProcs: ensureNodeCgroups(machine, cgroupRoot).systemCgroupProcs,
      ownNetwork: false,
    });
  }
  await ensureServiceRoute(options.serviceCidr, options.address);
  const node = { folder, namespace, cgroupRoot, ...ensureNodeCgroups(machine, cgroupRoot) };
  await ensureRuntime({ data, machine }, node);
  return node;
}

export async function ensureMachineAgent(
  node: MachineNode,
  program: { node: string; script: string; configFile: string; env: NodeJS.ProcessEnv },
): Promise<ProcessIdentity> {
  const recordFile = agentRecordFile(node.folder);
  return (
    runningProcess(recordFile) ??
    (await startProcess({
      command: agentProgram(node.folder.run, program.node),
      args: [...nodeFlags, program.script, program.configFile],
      enterPid: node.namespace.holder.pid,
      cgroupProcs: node.agentCgroupProcs,
      logFile: machineAgentLog(node.folder),
      recordFile,
      env: program.env,
      cwd: '/',
    }))
  );
}

/** Supervises the node until it is asked to stop: `start` brings back what has died. */
export async function keepMachineNode(
  folder: NodeFolder,
  start: () => Promise<unknown>,
  { clock, logger, signal }: { clock: Clock; logger: Logger; signal: AbortSignal },
): Promise<void> {
  const parts = {
    namespaces: holderRecordFile(folder),
    containerd: containerdRecordFile(folder),
    agent: agentRecordFile(folder),
  };
  let histories: RestartHistories = {};
  while (!signal.aborted) {
    await pause(clock, watchMs, signal);
    const dead = Object.entries(parts).filter(([, recordFile]) => !runningProcess(recordFile));
    const plan = planRestarts(
      dead.map(([name]) => name),
      histories,
      clock.now(),
    );
    if (signal.aborted || plan.due.length === 0) continue;
    histories = plan.histories;
    logger.warn('a part of the node had ended and is started again', { parts: plan.due.join(',') });
    try {
      await start();
    } catch (error) {
      logger.error('a part of the node cannot be started again', { error });
    }
  }
}

/** Ends the agent and everything else of the node; its folder, with its identity, stays. */
export async function stopMachineNode(
  options: Pick<MachineNodeOptions, 'data' | 'machine' | 'nodeName'>,
): Promise<void> {
  const { data, machine, nodeName } = options;
  const folder = machineNodeFolder(data, nodeName);
  await stopRecorded(agentRecordFile(folder), stopGraceMs);
  await endNodeProcesses(machine, folder, cgroupOf(data, nodeName));
  removeEmptyParents(machine.cgroups, cgroupOf(data, nodeName));
  await removeServiceRoute();
}
