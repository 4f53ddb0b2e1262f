/**
 * The supervisor of a cluster: a shell script that has processes restarted that end unexpectedly. The server restarts
 * the supervisor in turn, so that any one of them may die.
 */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ClusterContext } from '../cluster/cluster-context.ts';
import type { ClusterRecord } from '../cluster/cluster-record.ts';
import type { ClusterFolder } from '../data-folder.ts';
import { nodeSearchPath } from '../node/node-namespace.ts';
import {
  type ProcessIdentity,
  type ProcessOptions,
  runningProcess,
  signalProcess,
  startProcess,
  stopProcess,
} from '../processes/process.ts';
import { restartHistoriesFile } from './restart-histories.ts';
import { removeWatchList, watchListFile, writeWatchList } from './watch-list.ts';

/** Plain data, so that the server gets it with its configuration. */
export interface SupervisorPlan {
  /** While this file exists, the cluster should run. */
  watchList: string;
  process: ProcessOptions;
}

const script = fileURLToPath(new URL('./supervise.sh', import.meta.url));
const stopLimitMs = 1000;
const keepPollMs = 2000;

const recordFile = (folder: ClusterFolder) => join(folder.run, 'supervisor.json');
export const supervisorLogFile = (folder: ClusterFolder) => join(folder.logs, 'supervisor.log');

export function findSupervisor(folder: ClusterFolder): ProcessIdentity | undefined {
  return runningProcess(recordFile(folder));
}

export function supervisorPlan(
  { data, programs }: ClusterContext,
  name: string,
  cgroupProcs: readonly string[],
): SupervisorPlan {
  const folder = data.cluster(name);
  const watchList = watchListFile(folder);
  return {
    watchList,
    process: {
      command: '/bin/sh',
      args: [script, watchList, recordFile(folder), programs.node, programs.heal, data.path, name],
      cgroupProcs,
      logFile: supervisorLogFile(folder),
      recordFile: recordFile(folder),
      env: { PATH: nodeSearchPath, NODE_COMPILE_CACHE: data.compileCache },
      cwd: '/',
    },
  };
}

/** From now on what dies is started again. */
export async function startSupervision(
  context: ClusterContext,
  record: ClusterRecord,
  cgroupProcs: readonly string[],
): Promise<void> {
  writeWatchList(context.data.cluster(record.name), record);
  await ensureSupervisor(supervisorPlan(context, record.name, cgroupProcs));
}

/** Before any process of the cluster is ended: it would be started again. */
export async function stopSupervision(folder: ClusterFolder): Promise<void> {
  removeWatchList(folder);
  const supervisor = findSupervisor(folder);
  if (supervisor) {
    // Together with its children: a repair that waits until this command releases the cluster.
    signalProcess({ pid: -supervisor.pid }, 'SIGKILL');
    await stopProcess(supervisor, stopLimitMs);
  }
  rmSync(recordFile(folder), { force: true });
  rmSync(restartHistoriesFile(folder), { force: true });
}

/** The server's part: as long as the cluster should run there is a supervisor. */
export async function keepSupervisor(
  plan: SupervisorPlan,
  { clock, logger, signal }: { clock: Clock; logger: Logger; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    await pause(clock, keepPollMs, signal);
    if (signal.aborted || !existsSync(plan.watchList)) continue;
    try {
      if (await ensureSupervisor(plan)) logger.warn('the supervisor had ended and was started again');
    } catch (error) {
      logger.error('the supervisor had ended and cannot be started again', { error });
    }
  }
}

/** @returns whether it had to be started */
async function ensureSupervisor({ process: options }: SupervisorPlan): Promise<boolean> {
  if (runningProcess(options.recordFile)) return false;
  await startProcess(options);
  return true;
}
