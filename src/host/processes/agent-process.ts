/** The agent of a node of this machine: its configuration, and its start. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  agentLogFile,
  agentRecordFile,
  type ClusterContext,
  nodeFlags,
  processEnvironment,
} from '../cluster/cluster-context.ts';
import { defaultClusterDomain, type NodeRecord, nodeCgroup } from '../cluster/cluster-record.ts';
import type { ClusterFolder } from '../data-folder.ts';
import { hostAddress, nodeAddress } from '../network/link.ts';
import { clusterDnsAddress } from '../network/service-range.ts';
import { cniConfigFolder, cniPluginFolder, containerdSocket } from '../node/containerd.ts';
import type { LocalNode, NodeContext } from '../node/node.ts';
import { namedProgram } from './named-program.ts';
import { type ProcessIdentity, startProcess, stopRecorded } from './process.ts';
import { type AgentConfig, writeConfig } from './process-config.ts';
import { processInForce } from './process-in-force.ts';
import { stopUnrecorded } from './unrecorded.ts';

const stopGraceMs = 3000;

/**
 * These nodes share their disk with everything else on the machine. With upstream's thresholds, a disk that is 90%
 * full, as many are, would evict every pod and remove images loaded from files, which cannot be pulled again.
 */
const kubeletOnSharedDisk = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  imageGCHighThresholdPercent: 98,
  imageGCLowThresholdPercent: 96,
  evictionHard: {
    'memory.available': '100Mi',
    'nodefs.available': '2%',
    'nodefs.inodesFree': '2%',
    'imagefs.available': '2%',
    'imagefs.inodesFree': '2%',
  },
};

type Cluster = NodeContext['cluster'];

/** The agent that runs, if a start would make no other: one that asks where the server is no longer is not kept. */
export function agentInForce(
  context: ClusterContext,
  cluster: Cluster,
  node: NodeRecord,
): ProcessIdentity | undefined {
  const folder = context.data.cluster(cluster.name);
  const config = agentConfig(context, cluster, node);
  return processInForce(agentRecordFile(folder, node.name), agentConfigFile(folder, node.name), config);
}

/** Started, or running already. */
export async function ensureAgent(
  context: ClusterContext,
  cluster: Cluster,
  { record, namespace, agentCgroupProcs }: LocalNode,
): Promise<ProcessIdentity> {
  const running = agentInForce(context, cluster, record);
  if (running) return running;
  const { data, programs } = context;
  const folder = data.cluster(cluster.name);
  const recordFile = agentRecordFile(folder, record.name);
  await stopRecorded(recordFile, stopGraceMs);
  const configFile = agentConfigFile(folder, record.name);
  await stopUnrecorded(programs.agent, configFile, stopGraceMs);
  writeConfig(configFile, agentConfig(context, cluster, record));
  return await startProcess({
    command: agentProgram(folder.node(record.name).run, programs.node),
    args: [...nodeFlags, programs.agent, configFile],
    enterPid: namespace.holder.pid,
    cgroupProcs: agentCgroupProcs,
    logFile: agentLogFile(folder, record.name),
    recordFile,
    env: processEnvironment(data),
    cwd: '/',
  });
}

export function stopAgent(folder: ClusterFolder, nodeName: string): Promise<void> {
  return stopRecorded(agentRecordFile(folder, nodeName), stopGraceMs);
}

/** By upstream's name, which tools on a node look for. */
export function agentProgram(folder: string, node: string): string {
  return namedProgram(folder, 'kubelet', node);
}

function agentConfigFile(folder: ClusterFolder, nodeName: string): string {
  return join(folder.node(nodeName).run, 'agent-config.json');
}

function agentConfig({ data, programs }: ClusterContext, cluster: Cluster, node: NodeRecord): AgentConfig {
  const folder = data.cluster(cluster.name);
  const nodeFolder = folder.node(node.name);
  return {
    programVersion: programs.version,
    nodeName: node.name,
    nodeAddress: nodeAddress(cluster, node.index),
    servers: [`https://${hostAddress(cluster)}:${cluster.apiPort}`],
    pkiFolder: nodeFolder.pki,
    runtimeSocket: containerdSocket,
    cniConfigFolder,
    cniPluginFolder,
    cgroupRoot: nodeCgroup(cluster, node.name),
    serviceCidr: cluster.serviceCidr,
    podCidr: cluster.podCidr,
    clusterDomain: defaultClusterDomain,
    clusterDns: clusterDnsAddress(cluster.serviceCidr),
    resolvConf: join(nodeFolder.etc, 'resolv.conf'),
    kubelet: {
      ...kubeletOnSharedDisk,
      ...(existsSync(folder.kubeletConfig) &&
        (JSON.parse(readFileSync(folder.kubeletConfig, 'utf8')) as object)),
    },
    logLevel: 'info',
  };
}
