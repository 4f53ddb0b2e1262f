/** Times the plugins of an extension point together, with upstream's labels. */
import type { Rejection } from './plugin.ts';

export type TimedPoint =
  | 'PreFilter'
  | 'Filter'
  | 'PostFilter'
  | 'PreScore'
  | 'Score'
  | 'Reserve'
  | 'Unreserve'
  | 'Permit'
  | 'PreBind'
  | 'Bind'
  | 'PostBind';

export type PointStatus =
  | 'Success'
  | 'Error'
  | 'Unschedulable'
  | 'UnschedulableAndUnresolvable'
  | 'Wait'
  | 'Pending';

/** Begins to time a point; the result is to be called when its plugins have finished. */
export type PointTimer = (point: TimedPoint) => (status: PointStatus) => void;

export const untimed: PointTimer = () => () => undefined;

const statusOfCode: Readonly<Record<Rejection['code'], PointStatus>> = {
  unschedulable: 'Unschedulable',
  unresolvable: 'UnschedulableAndUnresolvable',
  wait: 'Pending',
  error: 'Error',
};

export function statusOf(rejection: Rejection | undefined): PointStatus {
  return rejection ? statusOfCode[rejection.code] : 'Success';
}
