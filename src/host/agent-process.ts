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
    ...(existsSync(folder.kubeletConfig) && {
      kubelet: JSON.parse(readFileSync(folder.kubeletConfig, 'utf8')) as object,
    }),
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
