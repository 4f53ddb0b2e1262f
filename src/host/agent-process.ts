/** The agent of a node of this machine: its configuration, and its start. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  agentLogFile,
  agentRecordFile,
  type ClusterContext,
  nodeFlags,
  processEnvironment,
} from './cluster-context.ts';
import { cniConfigFolder, containerdSocket } from './containerd.ts';
import { hostAddress } from './link.ts';
import type { LocalNode, NodeContext } from './node.ts';
import { type ProcessIdentity, runningProcess, startProcess } from './process.ts';
import { writeConfig } from './process-config.ts';
import { tenthAddress } from './service-range.ts';

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

/** Started, or running already. */
export async function ensureAgent(
  context: ClusterContext,
  cluster: NodeContext['cluster'],
  node: LocalNode,
): Promise<ProcessIdentity> {
  const { data, programs } = context;
  const folder = data.cluster(cluster.name);
  const recordFile = agentRecordFile(folder, node.record.name);
  const running = runningProcess(recordFile);
  if (running) return running;
  const configFile = join(node.folder.run, 'agent-config.json');
  writeConfig(configFile, {
    nodeName: node.record.name,
    nodeAddress: node.address,
    servers: [`https://${hostAddress(cluster)}:${cluster.apiPort}`],
    pkiFolder: node.folder.pki,
    runtimeSocket: containerdSocket,
    cniConfigFolder,
    cgroupRoot: node.cgroupRoot,
    serviceCidr: cluster.serviceCidr,
    podCidr: cluster.podCidr,
    clusterDomain: 'cluster.local',
    clusterDns: tenthAddress(cluster.serviceCidr),
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
