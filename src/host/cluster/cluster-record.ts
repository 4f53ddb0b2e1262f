/**
 * What is recorded about a cluster between commands: the options it was made with, and the resources of the machine it
 * has.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { replaceFile } from '../../base/system/replace-file.ts';
import type { ClusterFolder, DataFolder } from '../data-folder.ts';
import { Failure } from '../failure.ts';

export interface NodeRecord {
  name: string;
  /** Last byte of its address on the cluster's bridge. */
  index: number;
  /** Taken out of service by hand; `up` leaves it alone. */
  stopped?: boolean;
}

export interface ClusterRecord {
  name: string;
  /** Six hexadecimal digits; what the cluster makes on the machine carries them in its name. */
  id: string;
  createdAt: string;
  /** Of the API server, on loopback and on the bridge. */
  apiPort: number;
  /** First three bytes of the bridge's /24; absent without real nodes. */
  subnet?: string;
  /** Chosen by the user, a part of the bridge's range; its upper half when absent. */
  loadBalancerPool?: { first: string; last: string };
  /** Of the image mirror, on the bridge. */
  mirrorPort?: number;
  serviceCidr: string;
  podCidr: string;
  /** Nodes never get a way out of this machine. */
  offline: boolean;
  /** How many nodes are simulated, instead of real ones. */
  simulatedNodes: number;
  nodes: NodeRecord[];
}

export const defaultClusterName = 'wherry';
export const defaultServiceCidr = '10.96.0.0/12';
export const defaultPodCidr = '10.244.0.0/16';
export const defaultClusterDomain = 'cluster.local';

/** A label of DNS, and short enough for paths of sockets. */
const namePattern = /^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/;

/** @throws Failure */
export function checkName(what: 'cluster' | 'node', name: string): void {
  if (!namePattern.test(name))
    throw new Failure(`${JSON.stringify(name)} cannot be the name of a ${what}`, {
      advice: `use at most 32 lower-case letters, digits and "-", with a letter or digit at both ends`,
    });
}

export function newClusterRecord(name: string, apiPort: number): ClusterRecord {
  return {
    name,
    id: randomBytes(3).toString('hex'),
    createdAt: new Date().toISOString(),
    apiPort,
    serviceCidr: defaultServiceCidr,
    podCidr: defaultPodCidr,
    offline: false,
    simulatedNodes: 0,
    nodes: [],
  };
}

/** Undefined when there is no such cluster. @throws Failure when what is recorded is lost or cannot be understood */
export function loadClusterRecord(folder: ClusterFolder): ClusterRecord | undefined {
  if (!existsSync(folder.record)) {
    // It is written before these, and removed after them.
    if ([folder.store, folder.pki].some(existsSync)) throw damagedRecord(folder, 'missing');
    return undefined;
  }
  try {
    return JSON.parse(readFileSync(folder.record, 'utf8')) as ClusterRecord;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw damagedRecord(folder, 'damaged', error);
  }
}

function damagedRecord(folder: ClusterFolder, state: 'damaged' | 'missing', cause?: SyntaxError): Failure {
  return new DamagedRecord(`${folder.record} is ${state}`, {
    advice: `bring it back from a copy; without one, end what runs of the cluster and remove ${folder.path}`,
    ...(cause && { cause }),
  });
}

class DamagedRecord extends Failure {}

export function saveClusterRecord(folder: ClusterFolder, record: ClusterRecord): void {
  mkdirSync(dirname(folder.record), { recursive: true });
  replaceFile(folder.record, `${JSON.stringify(record, undefined, 2)}\n`);
}

/** Without those whose record is damaged: they stand in the way of no other. */
export function listClusterRecords(data: DataFolder): ClusterRecord[] {
  if (!existsSync(data.clusters)) return [];
  return readdirSync(data.clusters)
    .map((name) => loadIfWhole(data.cluster(name)))
    .filter((record) => record !== undefined);
}

function loadIfWhole(folder: ClusterFolder): ClusterRecord | undefined {
  try {
    return loadClusterRecord(folder);
  } catch (error) {
    if (error instanceof DamagedRecord) return undefined;
    throw error;
  }
}

/** What a command about a cluster that is not there says, with those that are. */
export function noSuchCluster(data: DataFolder, name: string): Failure {
  const others = listClusterRecords(data).map((record) => `--name ${record.name}`);
  const flag = name === defaultClusterName ? '' : ` --name ${name}`;
  const choice = others.length > 0 ? `, or choose one that there is: ${others.join(', ')}` : '';
  return new Failure(`there is no cluster ${name}`, { advice: `make it: wherry up${flag}${choice}` });
}

export const bridgeName = (record: ClusterRecord) => `wh-${record.id}`;
export const clusterCgroup = (record: ClusterRecord) => `/wherry/${record.name}-${record.id}`;
export const nodeCgroup = (record: ClusterRecord, node: string) => `${clusterCgroup(record)}/${node}`;
