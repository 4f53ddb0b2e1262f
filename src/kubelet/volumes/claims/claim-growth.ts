/** What a claim's status says of the growth of its file system on a node. Pure. */
import type { PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import { formatTime } from '../../../api/schema/time.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';

type ClaimStatus = NonNullable<PersistentVolumeClaim['status']>;

/** Conditions of a claim that is being resized. */
const growing = new Set(['Resizing', 'FileSystemResizePending', 'ControllerResizeError', 'NodeResizeError']);
/** After these codes of a driver, the volume may still be growing. */
const unsettled: ReadonlySet<string> = new Set([
  'Canceled',
  'DeadlineExceeded',
  'Unavailable',
  'ResourceExhausted',
  'Aborted',
]);
const infeasible: ReadonlySet<string> = new Set(['InvalidArgument', 'OutOfRange', 'NotFound']);

/** The node has its turn, and has not given up: it waits for the controller to decide otherwise then. */
export function mayGrowOnNode({ status }: PersistentVolumeClaim): boolean {
  const state = status?.allocatedResourceStatuses?.storage;
  return state === undefined || state === 'NodeResizePending' || state === 'NodeResizeInProgress';
}

export function grownStatus({ status }: PersistentVolumeClaim, storage: string): object {
  return {
    capacity: { ...status?.capacity, storage },
    conditions: (status?.conditions ?? []).filter(({ type }) => !growing.has(type)),
    allocatedResourceStatuses: null,
  };
}

/** Undefined: there is nothing new to say, or what resizes the claim does not follow the states of a resize. */
export function failedStatus(
  { status = {} }: PersistentVolumeClaim,
  error: Error,
  nowMs: number,
): Partial<ClaimStatus> | undefined {
  const { allocatedResources, allocatedResourceStatuses, conditions = [] } = status;
  if (allocatedResources?.storage === undefined && allocatedResourceStatuses?.storage === undefined)
    return undefined;
  const code = error instanceof RuntimeError ? error.code : undefined;
  if (code !== undefined && unsettled.has(code)) return undefined;
  const message = `failed to expand pvc with ${error.message}`;
  const before = conditions.find(({ type }) => type === 'NodeResizeError');
  const givesUp = code !== undefined && infeasible.has(code);
  if (before?.message === message && before.status === 'True' && !givesUp) return undefined;
  return {
    conditions: [
      ...conditions.filter((one) => one !== before),
      { type: 'NodeResizeError', status: 'True', lastTransitionTime: formatTime(nowMs), message },
    ],
    ...(givesUp && { allocatedResourceStatuses: { storage: 'NodeResizeInfeasible' } }),
  };
}
