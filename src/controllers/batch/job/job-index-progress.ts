/** How far a Job has come with each of its indexes. */
import type { Job, Pod } from '../../../api/resources.gen.ts';
import { isPodTerminating } from '../../pods/pod-state.ts';
import { finishedAtMs, type JobBackoff } from './job-backoff.ts';
import { parseIndexes } from './job-indexes.ts';
import { countsAsFailed, failuresOf, indexOf, isTracked, replacesOnlyFailed } from './job-pod.ts';
import { matchFailurePolicy } from './job-policy.ts';
import { isIgnored, type SeenPods } from './job-seen-pods.ts';

export interface IndexProgress {
  readonly completed: ReadonlySet<number>;
  /** Undefined when failures are not counted for each index. */
  readonly failed: ReadonlySet<number> | undefined;
  /** Indexes that get no other pod as long as the present one is there. */
  readonly occupied: ReadonlySet<number>;
  /** The pod that records how often an index failed: kept until the next pod of the index takes the number over. */
  readonly lastFailed: ReadonlyMap<number, Pod>;
}

export function indexProgress(seen: SeenPods): IndexProgress {
  const { job, pods, matches } = seen;
  const limit = job.spec!.completions ?? 0;
  const completed = parseIndexes(job.status?.completedIndexes, limit);
  const lastFailed = new Map<number, Pod>();
  const perIndex = job.spec!.backoffLimitPerIndex;
  const failed = perIndex === undefined ? undefined : parseIndexes(job.status?.failedIndexes, limit);
  for (const pod of pods) {
    const index = indexOf(job, pod);
    if (index === undefined) continue;
    if (pod.status?.phase === 'Succeeded' && isTracked(pod)) completed.add(index);
    if (!countsAsFailed(job, pod)) continue;
    const other = lastFailed.get(index);
    const total = (one: Pod) => failuresOf(one).counted + failuresOf(one).ignored;
    if (!other || total(pod) > total(other)) lastFailed.set(index, pod);
    if (!failed || !isTracked(pod)) continue;
    const isFatal = matches.get(pod.metadata.uid)?.action === 'FailIndex';
    const isOverLimit = !isIgnored(seen, pod) && failuresOf(pod).counted >= (perIndex ?? 0);
    if (isFatal || isOverLimit) failed.add(index);
  }
  for (const index of completed) failed?.delete(index);
  return { completed, failed, occupied: occupiedIndexes(seen), lastFailed };
}

function occupiedIndexes({ job, pods, active }: SeenPods): Set<number> {
  const awaited = replacesOnlyFailed(job) ? pods.filter(isPodTerminating) : [];
  const indexes = [...active, ...awaited].map((pod) => indexOf(job, pod));
  return new Set(indexes.filter((index) => index !== undefined));
}

/** `last`: the index's pod that failed last, which says how many of its predecessors did. */
export function backoffOfIndex(last: Pod): JobBackoff {
  const { counted, ignored } = failuresOf(last);
  return { failures: counted + ignored + 1, lastFailureMs: finishedAtMs(last) };
}

/** The last failed pod of an index stays until another takes its failure count over. */
export function isStillNeeded(job: Job, pod: Pod, indexes: IndexProgress | undefined): boolean {
  const index = indexOf(job, pod);
  if (!indexes?.failed || index === undefined) return false;
  if (indexes.failed.has(index) || indexes.completed.has(index) || indexes.occupied.has(index)) return false;
  return indexes.lastFailed.get(index) === pod;
}

/** How often the pods of an index have failed so far; undefined when the job has no such limit. */
export function failuresOfIndex(
  job: Job,
  pods: readonly Pod[],
  index: number | undefined,
): { counted: number; ignored: number } | undefined {
  if (index === undefined || job.spec!.backoffLimitPerIndex === undefined) return undefined;
  let failures = { counted: 0, ignored: 0 };
  for (const pod of pods) {
    if (indexOf(job, pod) !== index || !countsAsFailed(job, pod)) continue;
    const isIgnored = matchFailurePolicy(job, pod)?.action === 'Ignore';
    const { counted, ignored } = failuresOf(pod);
    const after = isIgnored ? { counted, ignored: ignored + 1 } : { counted: counted + 1, ignored };
    if (after.counted + after.ignored > failures.counted + failures.ignored) failures = after;
  }
  return failures;
}
