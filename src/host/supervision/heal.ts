/**
 * What the supervisor does when something has died: the steps by which `up` repairs a cluster, for the processes that
 * are due.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ClusterContext } from '../cluster/cluster-context.ts';
import { type ClusterRecord, loadClusterRecord } from '../cluster/cluster-record.ts';
import { nodeContextOf } from '../cluster.ts';
import type { ClusterFolder } from '../data-folder.ts';
import { withFolderLock } from '../lock.ts';
import { ensureNode } from '../node/node.ts';
import { ensureAgent } from '../processes/agent-process.ts';
import { runningProcess } from '../processes/process.ts';
import { ensureServer } from '../processes/server-process.ts';
import { readRestartHistories, writeRestartHistories } from './restart-histories.ts';
import { planRestarts, type RestartHistories } from './restart-plan.ts';
import { isWatched, type WatchedProcess, watchedProcesses, writeWatchList } from './watch-list.ts';

/** @returns how many seconds this need not be called again; 0 when all is well */
export async function healCluster(
  context: ClusterContext,
  name: string,
  { clock, logger }: { clock: Clock; logger: Logger },
): Promise<number> {
  const folder = context.data.cluster(name);
  if (!isWatched(folder)) return 0;
  return await withFolderLock(folder, async () => {
    const record = loadClusterRecord(folder);
    if (!record || !isWatched(folder)) return 0;
    const dead = watchedProcesses(folder, record).filter(({ recordFile }) => !runningProcess(recordFile));
    const names = dead.map((each) => each.name);
    const plan = planRestarts(names, readRestartHistories(folder), clock.now());
    keepHistories(folder, plan.histories, logger);
    const due = dead.filter((each) => plan.due.includes(each.name));
    try {
      for (const each of due) {
        const restarts = plan.histories[each.name]?.count;
        logger.warn('a process had ended and is started again', { process: each.name, restarts });
      }
      await Promise.all(
        repairs(context, record, due).map((repair) =>
          repair().catch((error: unknown) => logger.error('a process cannot be started again', { error })),
        ),
      );
    } finally {
      writeWatchList(folder, record);
    }
    return Math.ceil((plan.waitMs ?? 0) / 1000);
  });
}

/** A disk that is full keeps nothing from being started again. */
function keepHistories(folder: ClusterFolder, histories: RestartHistories, logger: Logger): void {
  try {
    writeRestartHistories(folder, histories);
  } catch (error) {
    logger.error('restarts cannot be counted', { error });
  }
}

/**
 * A node is repaired as a whole: without its namespaces nothing of it is left, and without containerd its agent waits.
 */
function repairs(
  context: ClusterContext,
  record: ClusterRecord,
  due: readonly WatchedProcess[],
): (() => Promise<unknown>)[] {
  const repairsDue: (() => Promise<unknown>)[] = [];
  if (due.some(({ node }) => node === undefined)) repairsDue.push(() => ensureServer(context, record));
  const nodeContext = nodeContextOf(context, record);
  const names = new Set(due.map(({ node }) => node));
  for (const node of record.nodes)
    if (nodeContext && names.has(node.name))
      repairsDue.push(() =>
        ensureNode(nodeContext, node, (made) => ensureAgent(context, nodeContext.cluster, made)),
      );
  return repairsDue;
}
