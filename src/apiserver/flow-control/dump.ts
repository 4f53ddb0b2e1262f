/** What is shown below `/debug/api_priority_and_fairness/`: priority levels, their queues and their requests, in columns. */
import type { FlowMetrics } from './flow-metrics.ts';
import type { Admission, PriorityLevel, QueueFacts } from './priority-level.ts';

type LevelFacts = Pick<
  PriorityLevel,
  'name' | 'activeQueues' | 'isIdle' | 'isQuiescing' | 'waitingCount' | 'executing'
>;

export interface DumpedLevel {
  level: LevelFacts;
  /** Since the server started. */
  totals: ReturnType<FlowMetrics['totalsOf']>;
}

type Columns<Row> = readonly [string, (row: Row) => unknown][];

const levelColumns: Columns<DumpedLevel> = [
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
  return formatTable(
    levelColumns,
    levels.toSorted((a, b) => byName(a.level, b.level)),
  );
}

type QueuedLevel = Pick<PriorityLevel, 'name' | 'queues' | 'queueless'>;

interface QueueRow extends QueueFacts {
  level: string;
  index: number;
}

/** How long a request is taken to last, in seconds, before anybody knows. */
const assumedDuration = 0.003;
const seatsOf = (admissions: readonly Admission[]) => admissions.reduce((sum, { seats }) => sum + seats, 0);
const seatSeconds = (value: number) => `${value.toFixed(8)}ss`;

const queueColumns: Columns<QueueRow> = [
  ['PriorityLevelName', ({ level }) => level],
  ['Index', ({ index }) => index],
  ['PendingRequests', ({ waiting }) => waiting.length],
  ['ExecutingRequests', ({ executing }) => executing.length],
  ['SeatsInUse', ({ executing }) => seatsOf(executing)],
  ['NextDispatchR', ({ served }) => seatSeconds(served)],
  ['InitialSeatsSum', ({ waiting }) => seatsOf(waiting)],
  ['MaxSeatsSum', ({ waiting }) => seatsOf(waiting)],
  ['TotalWorkSum', ({ waiting }) => seatSeconds(seatsOf(waiting) * assumedDuration)],
];

export function formatQueues(levels: readonly QueuedLevel[]): string {
  const rows = levels
    .toSorted(byName)
    .flatMap(({ name, queues }) => queues.map((queue, index) => ({ ...queue, level: name, index })));
  return formatTable(queueColumns, rows);
}

interface RequestRow {
  level: string;
  queue: number;
  position: number;
  admission: Admission;
}

const requestColumns: Columns<RequestRow> = [
  ['PriorityLevelName', ({ level }) => level],
  ['FlowSchemaName', ({ admission }) => admission.schema],
  ['QueueIndex', ({ queue }) => queue],
  ['RequestIndexInQueue', ({ position }) => position],
  ['FlowDistingsher', ({ admission }) => admission.distinguisher],
  ['ArriveTime', ({ admission }) => formatInstant(admission.arrivedMs)],
  ['InitialSeats', ({ admission }) => (admission.aftermath ? 1 : Math.max(1, admission.seats))],
  ['FinalSeats', ({ admission }) => admission.aftermath?.seats ?? 0],
  ['AdditionalLatency', ({ admission }) => goDuration(admission.aftermath?.ms ?? 0)],
  ['StartTime', ({ admission }) => formatInstant(admission.startedMs)],
];

const detailColumns: Columns<RequestRow> = [
  ['UserName', ({ admission }) => admission.user.name],
  ['Verb', ({ admission }) => admission.info.verb],
  ['APIPath', ({ admission }) => admission.info.path],
  ['Namespace', ({ admission }) => admission.info.namespace],
  ['Name', ({ admission }) => admission.info.name],
  ['APIVersion', ({ admission: { info } }) => (info.group ? `${info.group}/${info.version}` : info.version)],
  ['Resource', ({ admission }) => admission.info.resource],
  ['SubResource', ({ admission }) => admission.info.subresource],
];

/** Those that wait first, in their order, then those at work in the same queue, then those that need no queue. */
export function formatRequests(levels: readonly QueuedLevel[], { details }: { details: boolean }): string {
  const rows = levels
    .toSorted(byName)
    .flatMap(({ name: level, queues, queueless }) => [
      ...queues.flatMap(({ waiting, executing }, queue): RequestRow[] => [
        ...waiting.map((admission, position) => ({ level, queue, position, admission })),
        ...executing.map((admission) => ({ level, queue, position: -1, admission })),
      ]),
      ...queueless.map((admission) => ({ level, queue: -1, position: -1, admission })),
    ]);
  return formatTable(details ? [...requestColumns, ...detailColumns] : requestColumns, rows);
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** As Go writes durations below a second. */
function goDuration(ms: number): string {
  return ms === 0 ? '0s' : `${Number(ms.toFixed(6))}ms`;
}

/** As Go writes times: no more digits than they have; one that has not come is the beginning of its calendar. */
function formatInstant(ms: number | undefined): string {
  if (ms === undefined) return '0001-01-01T00:00:00Z';
  return new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z');
}

/** With its comma and a space. */
const cellWidthMin = 8;

function formatTable<Row>(columns: Columns<Row>, table: readonly Row[]): string {
  const rows = [
    columns.map(([title]) => title),
    ...table.map((row) => columns.map(([, cellOf]) => String(cellOf(row)))),
  ];
  const widths = columns.map((_, at) => Math.max(cellWidthMin, ...rows.map((row) => row[at]!.length + 2)));
  const last = columns.length - 1;
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === last ? cell : `${cell},`.padEnd(widths[at]!))).join('');
  return `${rows.map(line).join('\n')}\n`;
}
