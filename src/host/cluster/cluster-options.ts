/** What `up` is told about a cluster, and where it is kept for later starts: in its record and in files beside it. */
import { mkdirSync, readFileSync } from 'node:fs';
import { replaceFile } from '../../base/system/replace-file.ts';
import type { ClusterFolder } from '../data-folder.ts';
import { Failure } from '../failure.ts';
import { firstNodeIndex, loadBalancerIndexMin } from '../network/link.ts';
import { choosePool, type LoadBalancerPool } from '../network/load-balancer-pool.ts';
import { keepRegistries } from '../node/registries.ts';
import type { ApiServerSettings } from '../processes/process-config.ts';
import { type ClusterRecord, checkName, loadClusterRecord, newClusterRecord } from './cluster-record.ts';

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

const nodesMax = loadBalancerIndexMin - firstNodeIndex;

/** The record of the cluster, a new one if need be, as the options want it. @throws Failure when they cannot be had */
export async function prepareRecord(folder: ClusterFolder, options: UpOptions): Promise<ClusterRecord> {
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
  keepFiles(folder, options);
  return record;
}

/** What is read from files at every start. */
function keepFiles(folder: ClusterFolder, options: UpOptions): void {
  const { schedulerConfigFile, api, kubeletConfiguration, registriesFolder } = options;
  mkdirSync(folder.path, { recursive: true });
  if (schedulerConfigFile !== undefined)
    replaceFile(folder.schedulerConfig, readFileSync(schedulerConfigFile));
  if (api !== undefined) replaceFile(folder.apiServerSettings, JSON.stringify(api, undefined, 2), 0o600);
  if (kubeletConfiguration !== undefined)
    replaceFile(folder.kubeletConfig, JSON.stringify(kubeletConfiguration));
  if (registriesFolder !== undefined) keepRegistries(registriesFolder, folder.registries);
}

function growNodes(record: ClusterRecord, count: number): void {
  if (count > nodesMax) throw new Failure(`a cluster on one machine has at most ${nodesMax} nodes`);
  while (record.nodes.length < count) addNodeRecord(record);
}

/** `name`: the next one of the cluster's own when absent. @throws Failure when it cannot be a name */
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
