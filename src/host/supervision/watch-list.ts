/**
 * Which processes of a cluster should run: written by the commands that start or end them, read by the supervisor's
 * script.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { replaceFile } from '../../base/system/replace-file.ts';
import { agentRecordFile, serverRecordFile } from '../cluster/cluster-context.ts';
import type { ClusterRecord } from '../cluster/cluster-record.ts';
import type { ClusterFolder } from '../data-folder.ts';
import { containerdRecordFile } from '../node/containerd.ts';
import { holderRecordFile } from '../node/node-namespace.ts';
import { runningProcess } from '../processes/process.ts';

export interface WatchedProcess {
  /** `server`, or `NODE/holder`, `NODE/containerd`, `NODE/agent`. */
  name: string;
  node?: string;
  recordFile: string;
}

export const watchListFile = (folder: ClusterFolder) => join(folder.run, 'watched');

/** Whether the cluster should run: from `up` to `down`, whatever dies meanwhile. */
export const isWatched = (folder: ClusterFolder) => existsSync(watchListFile(folder));

export function watchedProcesses(folder: ClusterFolder, record: ClusterRecord): WatchedProcess[] {
  const nodes = record.nodes.filter((node) => !node.stopped);
  return [
    { name: 'server', recordFile: serverRecordFile(folder) },
    ...nodes.flatMap(({ name: node }) => [
      { name: `${node}/holder`, node, recordFile: holderRecordFile(folder.node(node)) },
      { name: `${node}/containerd`, node, recordFile: containerdRecordFile(folder.node(node)) },
      { name: `${node}/agent`, node, recordFile: agentRecordFile(folder, node) },
    ]),
  ];
}

/** One that does not run at this moment is on the list all the same. */
export function writeWatchList(folder: ClusterFolder, record: ClusterRecord): void {
  const file = watchListFile(folder);
  mkdirSync(dirname(file), { recursive: true });
  const lines = watchedProcesses(folder, record).map(({ name, recordFile }) => {
    const { pid, startTicks } = runningProcess(recordFile) ?? { pid: 0, startTicks: 0 };
    return `${name} ${pid} ${startTicks}\n`;
  });
  replaceFile(file, lines.join(''));
}

/** A cluster that should not run has no supervisor, and gets none. */
export function updateWatchList(folder: ClusterFolder, record: ClusterRecord): void {
  if (isWatched(folder)) writeWatchList(folder, record);
}

/** From now on nothing is restarted. */
export function removeWatchList(folder: ClusterFolder): void {
  rmSync(watchListFile(folder), { force: true });
}
