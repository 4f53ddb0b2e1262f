/** What `/debug/api_priority_and_fairness/dump_priority_levels` shows: one line a level, in columns. */
import type { FlowMetrics } from './flow-metrics.ts';
import type { PriorityLevel } from './priority-level.ts';

type LevelFacts = Pick<
  PriorityLevel,
  'name' | 'activeQueues' | 'isIdle' | 'isQuiescing' | 'waitingCount' | 'executing'
>;

export interface DumpedLevel {
  level: LevelFacts;
  /** Since the server started. */
  totals: ReturnType<FlowMetrics['totalsOf']>;
}

const columns: readonly [string, (dumped: DumpedLevel) => unknown][] = [
  ['PriorityLevelName', ({ level }) => level.name],
  ['ActiveQueues', ({ level }) => level.activeQueues],
  ['IsIdle', ({ level }) => level.isIdle],
  ['IsQuiescing', ({ level }) => level.isQuiescing],
  ['WaitingRequests', ({ level }) => level.waitingCount],
  ['ExecutingRequests', ({ level }) => level.executing],
  ['DispatchedRequests', ({ totals }) => totals.dispatched],
  ['RejectedRequests', ({ totals }) => totals.rejected['concurrency-limit'] + totals.rejected['queue-full']],
  ['TimedoutRequests', ({ totals }) => totals.rejected['time-out']],
  ['CancelledRequests', ({ totals }) => totals.rejected.cancelled],
];

export function formatLevels(levels: readonly DumpedLevel[]): string {
  const byName = [...levels].sort((a, b) => (a.level.name < b.level.name ? -1 : 1));
  const rows = [
    columns.map(([title]) => title),
    ...byName.map((dumped) => columns.map(([, cellOf]) => String(cellOf(dumped)))),
  ];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const last = columns.length - 1;
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === last ? cell : `${cell},`.padEnd(widths[at]! + 2))).join('');
  return `${rows.map(line).join('\n')}\n`;
}
