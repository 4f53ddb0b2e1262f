/** What is accepted in the spec of a Job, or of a CronJob's Jobs, but deserves a warning. */
import { podWarnings } from '../core/pod-spec/warnings.ts';
import type { JobSpec } from '../types/batch-v1.gen.ts';

const completionsMax = 100_000;
const parallelismMax = 10_000;

export function* jobSpecWarnings(spec: JobSpec | undefined, field: string): Iterable<string> {
  const { completionMode, completions = 0, parallelism = 0, template } = spec ?? {};
  if (completionMode === 'Indexed' && completions > completionsMax && parallelism > parallelismMax)
    yield `${field}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail`;
  if (template?.spec)
    yield* podWarnings({ metadata: template.metadata, spec: template.spec }, `${field}.template.`);
}
