/** The server process of a cluster of this machine: its configuration, and its start. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiProbe } from '../api-probe.ts';
import { ensureCgroup } from '../cgroup.ts';
import {
  type ClusterContext,
  nodeFlags,
  processEnvironment,
  serverLogFile,
  serverRecordFile,
} from '../cluster-context.ts';
import { type ClusterRecord, clusterCgroup, defaultClusterDomain } from '../cluster-record.ts';
import { inspectMachine } from '../machine.ts';
import { hostAddress } from '../network/link.ts';
import { loadBalancerPoolOf } from '../network/load-balancer-pool.ts';
import { clusterDnsAddress } from '../network/service-range.ts';
import { expectWithin } from '../readiness.ts';
import { supervisorPlan } from '../supervision/supervisor.ts';
import { type ProcessIdentity, runningProcess, startProcess } from './process.ts';
import { type ApiServerSettings, writeConfig } from './process-config.ts';

const serverReadyMs = 180_000;
/** What stands as the API server's address where no pod ever asks for it: out of a range for benchmarks, nobody's. */
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

/** Started, or running already; it may not answer yet. */
export async function ensureServer(
  context: ClusterContext,
  record: ClusterRecord,
  place: ServerPlace = serverPlace(record),
): Promise<ProcessIdentity> {
  const folder = context.data.cluster(record.name);
  const { programs } = context;
  const pool = loadBalancerPoolOf(record);
  const running = runningProcess(serverRecordFile(folder));
  if (running) return running;
  mkdirSync(folder.store, { recursive: true, mode: 0o700 });
  const configFile = join(folder.run, 'server-config.json');
  mkdirSync(folder.run, { recursive: true });
  const hosts = ['127.0.0.1', ...(place.bridge ? [place.bridge] : [])];
  writeConfig(configFile, {
    clusterName: record.name,
    listen: hosts.map((host) => ({ host, port: record.apiPort })),
    advertiseAddress: place.advertise,
    pkiFolder: folder.pki,
    store: { sqlite: join(folder.store, 'wherry.db') },
    serviceCidr: record.serviceCidr,
    podCidr: record.podCidr,
    clusterDomain: defaultClusterDomain,
    clusterDns: clusterDnsAddress(record.serviceCidr),
    simulatedNodes: record.simulatedNodes,
    logLevel: 'info',
    supervisor: supervisorPlan(context, record.name, place.cgroupProcs),
    ...(existsSync(folder.schedulerConfig) && { schedulerConfigFile: folder.schedulerConfig }),
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
  });
  return await startProcess({
    command: programs.node,
    args: [...nodeFlags, programs.server, configFile],
    cgroupProcs: place.cgroupProcs,
    logFile: serverLogFile(folder),
    recordFile: serverRecordFile(folder),
    env: processEnvironment(context.data),
    cwd: '/',
  });
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
    limitMs: serverReadyMs,
  });
}
