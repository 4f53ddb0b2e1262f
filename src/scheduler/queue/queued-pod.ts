/** A pod that waits for a node, or for the outcome of an attempt to find one. */
import type { PodInfo } from '../framework/pod-info.ts';
import type { Profile } from '../framework/profile.ts';

export type Place = 'active' | 'backoff' | 'unschedulable' | 'gated' | 'preempting' | 'inFlight';

export const places: readonly Place[] = [
  'active',
  'backoff',
  'unschedulable',
  'gated',
  'preempting',
  'inFlight',
];

export interface QueuedPod {
  info: PodInfo;
  place: Place;
  readonly profile: Profile;
  /** Order of arrival among pods of equal priority. */
  readonly sequence: number;
  attempts: number;
  /** When it was first tried, which scheduling gates may delay; like all times here, by the monotonic clock. */
  firstTriedMs: number;
  /** Plugins that refused it last; empty: no plugin was asked, or an error occurred. */
  refusedBy: ReadonlySet<string>;
  /** After an error the full back-off applies; after a refusal a pod may be tried early when nothing else waits. */
  isErrorBackoff: boolean;
  backoffUntilMs: number;
  unschedulableSinceMs: number;
  /** The last write of its status; the next one follows it. */
  statusWrite: Promise<unknown>;
  /** A node that was written into its status for a binding, until that has failed. */
  nominationWritten?: string | undefined;
  /** Changes with every move: entries of heaps from earlier places are stale. */
  ticket: number;
}
