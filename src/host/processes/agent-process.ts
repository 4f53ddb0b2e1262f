/** The agent of a node of this machine: its configuration, and its start. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  agentLogFile,
  agentRecordFile,
  type ClusterContext,
  nodeFlags,
  processEnvironment,
} from '../cluster-context.ts';
import { defaultClusterDomain } from '../cluster-record.ts';
import { cniConfigFolder, containerdSocket } from '../containerd.ts';
import type { ClusterFolder } from '../data-folder.ts';
import { hostAddress } from '../network/link.ts';
import { clusterDnsAddress } from '../network/service-range.ts';
import type { LocalNode, NodeContext } from '../node.ts';
import { type ProcessIdentity, runningProcess, startProcess, stopRecorded } from './process.ts';
import { type AgentConfig, readConfig, writeConfig } from './process-config.ts';

const stopGraceMs = 3000;

/**
 * These nodes share their disk with all else that the machine holds. By upstream's figures a disk that is 90% full, as
 * many are, would be the end of every pod, and of images loaded from files, which nobody can pull again.
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

/**
 * The agent that runs, if it asks the server where that is by now: while nothing listened there, another program may have
 * taken the port.
 */
export function agentInForce(
  folder: ClusterFolder,
  nodeName: string,
  cluster: Pick<NodeContext['cluster'], 'apiPort' | 'subnet'>,
): ProcessIdentity | undefined {
  const running = runningProcess(agentRecordFile(folder, nodeName));
  if (!running) return undefined;
  const { servers } = readConfig<AgentConfig>(agentConfigFile(folder, nodeName));
  return isDeepStrictEqual(servers, serversOf(cluster)) ? running : undefined;
}

function agentConfigFile(folder: ClusterFolder, nodeName: string): string {
  return join(folder.node(nodeName).run, 'agent-config.json');
}

function serversOf(cluster: Pick<NodeContext['cluster'], 'apiPort' | 'subnet'>): string[] {
  return [`https://${hostAddress(cluster)}:${cluster.apiPort}`];
}

/** Started, or running already. */
export async function ensureAgent(
  context: ClusterContext,
  cluster: NodeContext['cluster'],
  node: LocalNode,
): Promise<ProcessIdentity> {
  const { data, programs } = context;
  const folder = data.cluster(cluster.name);
  const running = agentInForce(folder, node.record.name, cluster);
  if (running) return running;
  const recordFile = agentRecordFile(folder, node.record.name);
  await stopRecorded(recordFile, stopGraceMs);
  const configFile = agentConfigFile(folder, node.record.name);
  writeConfig(configFile, {
    nodeName: node.record.name,
    nodeAddress: node.address,
    servers: serversOf(cluster),
    pkiFolder: node.folder.pki,
    runtimeSocket: containerdSocket,
    cniConfigFolder,
    cgroupRoot: node.cgroupRoot,
    serviceCidr: cluster.serviceCidr,
    podCidr: cluster.podCidr,
    clusterDomain: defaultClusterDomain,
    clusterDns: clusterDnsAddress(cluster.serviceCidr),
    resolvConf: join(node.folder.etc, 'resolv.conf'),
    kubelet: {
      ...kubeletOnSharedDisk,
      ...(existsSync(folder.kubeletConfig) &&
        (JSON.parse(readFileSync(folder.kubeletConfig, 'utf8')) as object)),
    },
    logLevel: 'info',
  });
  return await startProcess({
    command: programs.node,
    args: [...nodeFlags, programs.agent, configFile],
    enterPid: node.namespace.holder.pid,
    cgroupProcs: node.systemCgroupProcs,
    logFile: agentLogFile(folder, node.record.name),
    recordFile,
    env: processEnvironment(data),
    cwd: '/',
  });
}
