/** The server process of a cluster of this machine: its configuration, and its start. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiProbe } from '../api-probe.ts';
import {
  type ClusterContext,
  processEnvironment,
  serverLogFile,
  serverNodeFlags,
  serverRecordFile,
} from '../cluster/cluster-context.ts';
import { type ClusterRecord, clusterCgroup, defaultClusterDomain } from '../cluster/cluster-record.ts';
import type { ClusterFolder } from '../data-folder.ts';
import { inspectMachine } from '../machine/machine.ts';
import { hostAddress } from '../network/link.ts';
import { loadBalancerPoolOf } from '../network/load-balancer-pool.ts';
import { clusterDnsAddress } from '../network/service-range.ts';
import { ensureCgroup } from '../node/cgroup.ts';
import { expectWithin } from '../node/readiness.ts';
import { supervisorPlan } from '../supervision/supervisor.ts';
import { type ProcessIdentity, startProcess, stopRecorded } from './process.ts';
import { type ApiServerSettings, type ServerConfig, writeConfig } from './process-config.ts';
import { processInForce } from './process-in-force.ts';
import { stopUnrecorded } from './unrecorded.ts';

const serverReadyMs = 180_000;
const stopGraceMs = 8000;
/** Used as the API server's address where no pod ever needs it: from a range reserved for benchmarks. */
const simulatedAddress = '198.18.255.254';

/** Where the server is reached, and the control group it and its supervisor run in. */
export interface ServerPlace {
  /** Its address on the bridge of the cluster's nodes. */
  bridge?: string;
  advertise: string;
  cgroupProcs: readonly string[];
}

export function serverPlace(record: ClusterRecord): ServerPlace {
  if (record.simulatedNodes > 0) return { advertise: simulatedAddress, cgroupProcs: [] };
  const bridge = hostAddress({ ...record, subnet: record.subnet! });
  const { cgroups } = inspectMachine();
  return { bridge, advertise: bridge, cgroupProcs: ensureCgroup(cgroups, `${clusterCgroup(record)}/server`) };
}

/** The server that runs, if a start would make no other. */
export function serverInForce(
  context: ClusterContext,
  record: ClusterRecord,
  place: ServerPlace,
): ProcessIdentity | undefined {
  const folder = context.data.cluster(record.name);
  const config = serverConfig(context, record, place);
  return processInForce(serverRecordFile(folder), serverConfigFile(folder), config);
}

/** Started, or running already; it may not answer yet. */
export async function ensureServer(
  context: ClusterContext,
  record: ClusterRecord,
  place: ServerPlace = serverPlace(record),
): Promise<ProcessIdentity> {
  const running = serverInForce(context, record, place);
  if (running) return running;
  const folder = context.data.cluster(record.name);
  const { programs } = context;
  await stopServer(folder, programs);
  mkdirSync(folder.store, { recursive: true, mode: 0o700 });
  mkdirSync(folder.run, { recursive: true });
  const configFile = serverConfigFile(folder);
  writeConfig(configFile, serverConfig(context, record, place));
  return await startProcess({
    command: programs.node,
    args: [...serverNodeFlags, programs.server, configFile],
    cgroupProcs: place.cgroupProcs,
    logFile: serverLogFile(folder),
    recordFile: serverRecordFile(folder),
    env: processEnvironment(context.data),
    cwd: '/',
  });
}

export async function stopServer(
  folder: ClusterFolder,
  programs: Pick<ClusterContext['programs'], 'server'>,
): Promise<void> {
  await stopRecorded(serverRecordFile(folder), stopGraceMs);
  await stopUnrecorded(programs.server, serverConfigFile(folder), stopGraceMs);
}

/** The SQLite file. */
export const storeFile = (folder: ClusterFolder) => join(folder.store, 'wherry.db');

function serverConfigFile(folder: ClusterFolder): string {
  return join(folder.run, 'server-config.json');
}

function serverConfig(context: ClusterContext, record: ClusterRecord, place: ServerPlace): ServerConfig {
  const folder = context.data.cluster(record.name);
  const pool = loadBalancerPoolOf(record);
  const hosts = ['127.0.0.1', ...(place.bridge ? [place.bridge] : [])];
  return {
    programVersion: context.programs.version,
    clusterName: record.name,
    dataPath: context.data.path,
    listen: hosts.map((host) => ({ host, port: record.apiPort })),
    advertiseAddress: place.advertise,
    pkiFolder: folder.pki,
    store: { sqlite: storeFile(folder) },
    serviceCidr: record.serviceCidr,
    podCidr: record.podCidr,
    clusterDomain: defaultClusterDomain,
    clusterDns: clusterDnsAddress(record.serviceCidr),
    simulatedNodes: record.simulatedNodes,
    logLevel: 'info',
    supervisor: supervisorPlan(context, record.name, place.cgroupProcs),
    ...(existsSync(folder.schedulerConfig) && {
      schedulerConfigFile: folder.schedulerConfig,
      schedulerConfigDigest: digestOf(folder.schedulerConfig),
    }),
    ...(existsSync(folder.apiServerSettings) && {
      api: JSON.parse(readFileSync(folder.apiServerSettings, 'utf8')) as ApiServerSettings,
    }),
    ...(place.bridge &&
      record.mirrorPort && {
        imageMirror: {
          host: place.bridge,
          port: record.mirrorPort,
          nodesFolder: folder.nodes,
          loadedFile: folder.loadedImages,
        },
      }),
    ...(pool && { loadBalancerPool: pool }),
  };
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
}

/** @throws Failure when it ends, or takes too long */
export async function waitForServer(
  { data }: ClusterContext,
  record: ClusterRecord,
  server: ProcessIdentity,
): Promise<void> {
  const folder = data.cluster(record.name);
  const probe = apiProbe({ host: '127.0.0.1', port: record.apiPort, pkiFolder: folder.pki });
  await expectWithin({
    problem: 'the API server is not ready',
    condition: async () => ((await probe.get('/readyz'))?.status === 200 ? true : undefined),
    process: server,
    logFile: serverLogFile(folder),
    logStart: server.logStart,
    limitMs: serverReadyMs,
  });
}
